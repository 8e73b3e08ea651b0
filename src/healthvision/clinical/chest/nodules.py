# SPDX-License-Identifier: Apache-2.0
"""Nodules of the lungs: candidates, forest, sizes, places."""

from dataclasses import dataclass
from importlib import resources

import numpy as np

from healthvision.clinical.chest.candidates import Blob, Workspace, find_blobs
from healthvision.clinical.chest.features import Grown, describe, evidence, grow
from healthvision.clinical.chest.forest import RESERVE, Forest, load
from healthvision.clinical.chest.grid import Float32
from healthvision.clinical.chest.intervals import Difficulty, difficulty
from healthvision.clinical.chest.lungs import LEFT
from healthvision.clinical.chest.measure import Sizes, measure
from healthvision.clinical.volume import FloatArray

WEIGHTS = "nodule_forest.npz"
OPERATING_POINT = 0.6
LEAST_MM = 4.0
MOST_FINDINGS = 15


@dataclass(frozen=True, eq=False, slots=True)
class Nodule:
    """One nodule; ``place`` is LPS mm, ``index`` workspace (z, y, x).

    ``confidence``: calibrated probability with ``interval``; ``features`` and
    ``contributions`` (of the raw forest value) in the order of ``features.NAMES``;
    ``difficulty``: how far the sizes can be trusted, see ``intervals``.
    """

    place: tuple[float, float, float]
    index: tuple[float, float, float]
    left: bool
    zone: int  # 0 lower, 1 middle, 2 upper third of the lung's height
    pleura_mm: float
    sizes: Sizes
    corner: tuple[int, int, int]
    confidence: float
    interval: tuple[float, float]
    features: FloatArray
    contributions: FloatArray
    difficulty: Difficulty


def read_forest() -> tuple[Forest, bytes]:
    """Return the packaged forest and the bytes of its file."""
    data = resources.files("healthvision.clinical.chest").joinpath(WEIGHTS).read_bytes()
    return load(data), data


def _noise_field(space: Workspace, rng: np.random.Generator, side: int) -> Float32:
    """Return noise like that of the resampled scan, for tests of stability."""
    field = rng.standard_normal((side, side, side)).astype(np.float32)
    return field * np.float32(0.6 * space.noise)


def _confidence(
    space: Workspace, forest: Forest, blob: Blob, x: FloatArray, seed: int
) -> tuple[float, tuple[float, float]]:
    """Return the mean probability over the case and four noisier copies, with an interval.

    The interval joins the spread of the copies, that of twelve groups of trees, and what the
    number of calibration nodules leaves open (binomial).
    """
    rng = np.random.default_rng([seed, *blob.index])
    side = 2 * int(np.ceil(2.1 * 1.75 * blob.sigma + 4)) + 1
    rows = [x]
    for _ in range(4):
        grown = grow(space, blob, noise=_noise_field(space, rng, side))
        if grown is not None:
            rows.append(describe(space, blob, grown))
    lost = 5 - len(rows)
    matrix = np.array(rows)
    beside = evidence(matrix)
    trees = forest.trees(matrix)
    p = np.append(forest.calibrate(trees.mean(axis=1), beside), np.zeros(lost))
    value = float(p.mean())
    groups = np.array([g.mean() for g in np.array_split(trees[0], 12)])
    spread = forest.calibrate(groups, np.repeat(beside[:1], 12, axis=0))
    counted = value * (1 - value) * RESERVE
    half = 1.96 * float(np.sqrt(p.var() + spread.var() / 12 + counted))
    return value, (max(0.0, value - half), min(1.0, value + half))


def _nodule(
    space: Workspace, forest: Forest, blob: Blob, grown: Grown, x: FloatArray, seed: int
) -> Nodule:
    z, y, x_at = (slice(c, c + n) for c, n in zip(grown.corner, grown.cube.shape, strict=True))
    inside = space.labels[z, y, x_at] > 0
    raw = np.where(inside, space.iso.voxels[z, y, x_at], grown.cube)
    sizes = measure(grown, raw)
    centre = np.argwhere(sizes.mask).mean(axis=0) + np.array(grown.corner)
    at = tuple(round(float(c)) for c in centre)
    label = int(space.labels[at])
    place = space.iso.to_lps([float(c) for c in centre])
    if label == 0:
        label = LEFT if place[0] > space.iso.to_lps([n / 2 for n in space.iso.shape])[0] else 1
    rows = np.flatnonzero((space.labels == label).any(axis=(1, 2)))
    zone = int(np.clip(3 * (centre[0] - rows[0]) / max(len(rows), 1), 0, 2))
    confidence, interval = _confidence(space, forest, blob, x, seed)
    where = np.argwhere(sizes.mask) + np.array(grown.corner)
    edge = float(space.depth[where[:, 0], where[:, 1], where[:, 2]].min())
    return Nodule(
        place=place,
        index=(float(centre[0]), float(centre[1]), float(centre[2])),
        left=label == LEFT,
        zone=zone,
        pleura_mm=max(0.0, edge - 1.0),
        sizes=sizes,
        corner=grown.corner,
        confidence=confidence,
        interval=interval,
        features=x,
        contributions=forest.attribute(x),
        difficulty=difficulty(sizes.density, x),
    )


def find_nodules(
    space: Workspace, forest: Forest, *, seed: int, least_mm: float = LEAST_MM
) -> list[Nodule]:
    """Return nodules of at least ``least_mm`` mean diameter, most certain first.

    A candidate counts from a calibrated probability of ``OPERATING_POINT``, as it is and as the
    mean over noisier copies; two that overlap are one. At most ``MOST_FINDINGS`` are returned.
    """
    pairs = [(b, g) for b in find_blobs(space) if (g := grow(space, b)) is not None]
    if not pairs:
        return []
    x = np.array([describe(space, b, g) for b, g in pairs])
    p = forest.calibrate(forest.raw(x), evidence(x))
    out: list[Nodule] = []
    for i in np.argsort(-p):
        if p[i] < OPERATING_POINT or len(out) >= MOST_FINDINGS:
            break
        blob, grown = pairs[i]
        centre = grown.centre
        if any(
            np.linalg.norm(centre - np.array(n.index))
            < max(3.0, 0.5 * (n.sizes.axes.long_mm + grown.diameter))
            for n in out
        ):
            continue
        nodule = _nodule(space, forest, blob, grown, x[i], seed)
        if nodule.sizes.axes.mean_mm >= least_mm and nodule.confidence >= OPERATING_POINT:
            out.append(nodule)
    out.sort(key=lambda n: -n.confidence)
    return out
