# SPDX-License-Identifier: Apache-2.0
"""Emphysema index: %LAA-950 and Perc15 after noise-matched smoothing."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.grid import (
    Float32,
    block_factors,
    block_mean,
    bounding_box,
    repeat_blocks,
)
from healthvision.clinical.chest.lungs import LEFT, RIGHT, Lungs
from healthvision.clinical.volume import BoolArray, Volume

LIMIT_HU = -950.0


@dataclass(frozen=True, slots=True)
class Emphysema:
    """``laa950``: percent of eroded lung below -950 HU, per side and both; ``perc15``: HU.

    ``noise_sd``: HU of the original voxels; ``residual_sd``: HU left after smoothing.
    """

    laa950: float
    right: float | None
    left: float | None
    perc15: float
    noise_sd: float
    residual_sd: float


def _robust_sd(values: Float32, gain: float) -> float:
    """Return the sd of noise from differences whose variance is ``gain`` times its own."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))) / np.sqrt(gain))


def noise_sd(volume: Volume, mask: BoolArray) -> float:
    """Estimate the noise (HU) inside a mask (z, y, x), robustly.

    The smaller of two estimates: second differences along z (free of the kernel's correlation,
    but with anatomy in thick slices) and differences of voxels two apart along x.
    """
    zs = np.flatnonzero(mask.any(axis=(1, 2)))
    zs = zs[(zs > 0) & (zs < mask.shape[0] - 1)]
    along_z, along_x = [], []
    for k in zs[:: max(1, len(zs) // 20)]:
        low, s, high = (volume.voxels[i].astype(np.float32) for i in (k - 1, k, k + 1))
        inside = mask[k - 1] & mask[k] & mask[k + 1]
        along_z.append((low - 2 * s + high)[inside])
        along_x.append((s[:, 2:] - s[:, :-2])[mask[k][:, 2:] & mask[k][:, :-2]])
    if sum(a.size for a in along_z) < 200:
        return 0.0
    return min(_robust_sd(np.concatenate(along_z), 6.0), _robust_sd(np.concatenate(along_x), 2.0))


# Sigma of a Gaussian in voxels, and the share of white noise it leaves in three dimensions.
_SMOOTHING = ((0.0, 1.0), (0.5, 0.514), (0.7, 0.262), (0.9, 0.178), (1.1, 0.131))
_WANTED_SD = 25.0


def measure_emphysema(volume: Volume, lungs: Lungs) -> Emphysema:
    """Measure emphysema on voxels of about 1.2 mm, smoothed until noise is below 25 HU."""
    edge = round(4.0 / lungs.coarse.spacing[1])
    solid = ndimage.binary_erosion(lungs.coarse_labels > 0, iterations=max(1, edge))
    if lungs.airways is not None:
        solid &= ~ndimage.binary_dilation(lungs.airways.mask, iterations=2)
    if not solid.any():
        solid = lungs.coarse_labels > 0
    full = (lungs.labels > 0) & repeat_blocks(solid, lungs.factors, volume.shape)
    if not full.any():
        full = lungs.labels > 0
    box = bounding_box(full, (2, 4, 4))
    cut = Volume(volume.voxels[box], volume.spacing, volume.origin, volume.direction)
    raw = noise_sd(cut, full[box])
    factors = block_factors(volume.spacing, 1.2)
    fine = block_mean(cut, factors)
    sides = np.where(full[box], lungs.labels[box], 0)[:: factors[0], :: factors[1], :: factors[2]]
    inside = sides > 0
    residual = noise_sd(fine, inside)
    sigma, left = next(
        ((s, r) for s, r in _SMOOTHING if residual * r <= _WANTED_SD), _SMOOTHING[-1]
    )
    field = fine.voxels
    if sigma > 0:
        field = ndimage.gaussian_filter(field, sigma, truncate=3.0)
    values = field[inside]
    low = values < LIMIT_HU
    side = sides[inside]

    def share(which: int) -> float | None:
        mine = low[side == which]
        return 100.0 * float(mine.mean()) if mine.size else None

    return Emphysema(
        laa950=100.0 * float(low.mean()),
        right=share(RIGHT),
        left=share(LEFT),
        perc15=float(np.percentile(values, 15)),
        noise_sd=raw,
        residual_sd=residual * left,
    )
