# SPDX-License-Identifier: Apache-2.0
"""Fluid, grey and white matter: three classes with a neighbourhood prior and partial volume."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from healthvision.clinical.brain.extraction import Brain
from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.chest.grid import Float32, distance_mm
from healthvision.clinical.volume import BoolArray, FloatArray

Contrast = Literal["T1", "T2", "FLAIR"]
# classes from dark to bright in each contrast
ORDER: dict[Contrast, tuple[str, str, str]] = {
    "T1": ("fluid", "grey", "white"),
    "T2": ("white", "grey", "fluid"),
    "FLAIR": ("fluid", "white", "grey"),
}


@dataclass(frozen=True, eq=False, slots=True)
class Tissues:
    """Shares (0..1, float32, grid of ``Scan.work``) of each voxel within the skull, volumes in ml.

    ``levels`` and ``sds``: of fluid, grey, white. ``intracranial_ml``: all within the skull.
    """

    fluid: Float32
    grey: Float32
    white: Float32
    fluid_ml: float
    grey_ml: float
    white_ml: float
    intracranial_ml: float
    levels: dict[str, float]
    sds: dict[str, float]

    @property
    def brain_ml(self) -> float:
        """Grey and white matter together, ml."""
        return self.grey_ml + self.white_ml


def measure_tissues(scan: Scan, brain: Brain, contrast: Contrast) -> Tissues | None:
    """Part the inside of the skull into three tissues; None when no three levels are there."""
    values = brain.level[brain.inside].astype(np.float64)
    start = _start(brain, contrast, scan)
    means, sds, weights = _mixture(values, start)
    if np.any(np.diff(means) < 0.03 * abs(means[2])) or np.any(weights < 0.01):
        return None
    labels = _smooth_labels(brain, means, sds, weights)
    shares = _partial(brain.level, brain.inside, labels, means)
    names = ORDER[contrast]
    by_name = {name: shares[i] for i, name in enumerate(names)}
    ml = {name: float(part.sum()) * scan.work.voxel_ml for name, part in by_name.items()}
    return Tissues(
        by_name["fluid"],
        by_name["grey"],
        by_name["white"],
        ml["fluid"],
        ml["grey"],
        ml["white"],
        float(brain.inside.sum()) * scan.work.voxel_ml,
        {name: float(m) for name, m in zip(names, means, strict=True)},
        {name: float(v) for name, v in zip(names, sds, strict=True)},
    )


def _start(brain: Brain, contrast: Contrast, scan: Scan) -> FloatArray:
    """Return first guesses of the three levels, dark to bright, by k-means on quantiles."""
    values = np.sort(brain.level[brain.inside][::7].astype(np.float64))
    low, high = np.percentile(values, [1.0, 99.0])
    values = values[(values >= low) & (values <= high)]
    spots = {"T1": (0.05, 0.4, 0.85), "T2": (0.2, 0.55, 0.95), "FLAIR": (0.04, 0.4, 0.85)}
    centres: FloatArray = np.quantile(values, spots[contrast])
    for _ in range(30):
        cuts = np.searchsorted(values, (centres[:-1] + centres[1:]) / 2)
        parts = np.split(values, cuts)
        centres = np.array(
            [float(p.mean()) if len(p) else float(c) for p, c in zip(parts, centres, strict=True)]
        )
    return centres


def _mixture(values: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit three normal curves to the histogram (expectation maximisation)."""
    low, high = np.percentile(values, [0.1, 99.9])
    counts, edges = np.histogram(values, 400, (low, high))
    mids = (edges[:-1] + edges[1:]) / 2
    means, weights = start.copy(), np.full(3, 1 / 3)
    sds = np.full(3, max((high - low) / 12, 1e-6))
    for _ in range(60):
        likely = weights * np.exp(-0.5 * ((mids[:, None] - means) / sds) ** 2) / sds
        likely /= np.maximum(likely.sum(axis=1, keepdims=True), 1e-300)
        mass = counts[:, None] * likely
        total = np.maximum(mass.sum(axis=0), 1e-9)
        means = (mass * mids[:, None]).sum(axis=0) / total
        sds = np.sqrt((mass * (mids[:, None] - means) ** 2).sum(axis=0) / total)
        sds = np.clip(sds, 0.01 * (high - low), 0.15 * (high - low))
        weights = total / total.sum()
    order = np.argsort(means)
    return means[order], sds[order], weights[order]


def _smooth_labels(
    brain: Brain, means: FloatArray, sds: FloatArray, weights: FloatArray
) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    """Label voxels by the likeliest class with a bonus for agreeing neighbours (ICM, 4 rounds)."""
    box = ndimage.find_objects(brain.inside.astype(np.uint8))[0]
    level = brain.level[box]
    sds = np.maximum(sds, float(np.median(sds)) * 0.7)
    cost = np.stack(
        [
            (0.5 * ((level - m) / s) ** 2 + np.log(s)).astype(np.float32)
            for m, s in zip(means, sds, strict=True)
        ]
    )
    labels = np.argmin(cost, axis=0).astype(np.int8)
    kernel = ndimage.generate_binary_structure(3, 1).astype(np.float32)
    for _ in range(4):
        support = [
            ndimage.convolve((labels == i).astype(np.float32), kernel, mode="nearest")
            for i in range(3)
        ]
        labels = np.argmin(
            np.stack([c - 0.35 * a for c, a in zip(cost, support, strict=True)]), axis=0
        ).astype(np.int8)
    out = np.zeros(brain.level.shape, np.int8)
    out[box] = labels
    return out


def _partial(
    level: Float32,
    inside: BoolArray,
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
    means: FloatArray,
) -> list[Float32]:
    """Return shares per class: whole inside a tissue, by level where two tissues meet."""
    low = ndimage.minimum_filter(labels, footprint=ndimage.generate_binary_structure(3, 1))
    high = ndimage.maximum_filter(labels, footprint=ndimage.generate_binary_structure(3, 1))
    border = inside & (low != high)
    at = np.clip(np.interp(level[border], means, [0.0, 1.0, 2.0]), 0, 2)
    shares = []
    for i in range(3):
        part = ((labels == i) & inside).astype(np.float32)
        part[border] = np.clip(1.0 - np.abs(at - i), 0, 1)
        shares.append(part)
    return shares


def depth_mm(brain: Brain, scan: Scan) -> Float32:
    """Return the distance (mm) of every voxel to the outside of the skull's inner surface."""
    return distance_mm(~brain.inside, scan.work.spacing)
