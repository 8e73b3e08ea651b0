# SPDX-License-Identifier: Apache-2.0
"""Labelled candidates of phantoms, from which the forest is trained and evaluated."""

from dataclasses import dataclass

import numpy as np

from healthvision.clinical.chest.candidates import find_blobs, workspace
from healthvision.clinical.chest.emphysema import noise_sd
from healthvision.clinical.chest.features import describe, grow
from healthvision.clinical.chest.lungs import find_lungs
from healthvision.clinical.phantoms.chest import ChestConfig, ChestPhantom
from healthvision.clinical.phantoms.nodules import KINDS, PLACES
from healthvision.clinical.volume import Array, FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """Candidates of one phantom.

    ``x`` (n, f) features; ``hit`` (n,): index of the nodule found, -1 for none; ``nodules``:
    how many are in the phantom; ``dice``: of the lungs.
    """

    x: FloatArray
    hit: Array
    nodules: int
    dice: float


def training_config(seed: int) -> ChestConfig:
    """Return the phantom of a seed: sizes, spacing, noise and emphysema vary with it."""
    rng = np.random.default_rng([seed, 7])
    spacing = float(
        rng.choice([1.0, 1.25, 1.5, 2.0, 2.5, 5.0], p=[0.2, 0.25, 0.15, 0.15, 0.15, 0.1])
    )
    return ChestConfig(
        shape=(round(200 / spacing), 288, 288),
        spacing=(spacing, 1.25, 1.25),
        nodules=int(rng.integers(8, 15)),
        noise_sd=float(rng.uniform(8, 55)),
        emphysema=float(rng.choice([0.0, 0.05, 0.15])),
        psf_mm=float(rng.uniform(0.45, 0.9)),
        vessel_density=float(rng.uniform(0.7, 1.2)),
    )


def hard_config(seed: int) -> ChestConfig:
    """Return a phantom of small, faint and attached nodules in noise, for the calibration."""
    rng = np.random.default_rng([seed, 11])
    spacing = float(rng.choice([1.0, 1.25, 1.5, 2.0, 2.5]))
    count = int(rng.integers(10, 16))
    kinds = rng.choice(len(KINDS), size=count, p=[0.5, 0.25, 0.1, 0.1, 0.05])
    places = rng.choice(len(PLACES), size=count, p=[0.4, 0.35, 0.25])
    sizes = 4.0 + 14.0 * rng.beta(0.9, 2.0, size=count)
    return ChestConfig(
        shape=(round(200 / spacing), 288, 288),
        spacing=(spacing, 1.25, 1.25),
        wishes=tuple(
            (KINDS[k], PLACES[p], float(max(d, 8.0 if KINDS[k] == "part-solid" else 4.0)))
            for k, p, d in zip(kinds, places, sizes, strict=True)
        ),
        noise_sd=float(rng.uniform(8, 60)),
        emphysema=float(rng.choice([0.0, 0.05, 0.15])),
        psf_mm=float(rng.uniform(0.45, 0.9)),
        vessel_density=float(rng.uniform(0.8, 1.5)),
        faint_hu=float(rng.uniform(50, 200)),
    )


def label(phantom: ChestPhantom) -> Labelled:
    """Run lungs and candidates on a phantom. Hit rule of LUNA16: centre within the radius."""
    lungs = find_lungs(phantom.volume)
    if lungs is None:
        return Labelled(np.zeros((0, 22)), np.zeros(0, int), len(phantom.nodules), 0.0)
    mask = lungs.labels > 0
    both = np.count_nonzero(mask & phantom.lungs)
    dice = 2 * both / (np.count_nonzero(mask) + np.count_nonzero(phantom.lungs))
    space = workspace(phantom.volume, lungs, noise_sd(phantom.volume, mask))
    centres = np.array([n.centre for n in phantom.nodules]).reshape(-1, 3)
    radii = np.array([max(2.0, n.mean_diameter_mm / 2) for n in phantom.nodules])
    rows, hits = [], []
    for blob in find_blobs(space):
        grown = grow(space, blob)
        if grown is None:
            continue
        at = np.array(space.iso.to_lps([float(c) for c in grown.centre]))
        hit = -1
        if len(centres):
            gaps = np.linalg.norm(centres - at, axis=1) / radii
            hit = int(np.argmin(gaps)) if gaps.min() <= 1 else -1
        rows.append(describe(space, blob, grown))
        hits.append(hit)
    return Labelled(np.array(rows), np.array(hits, int), len(phantom.nodules), dice)
