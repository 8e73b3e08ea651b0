# SPDX-License-Identifier: Apache-2.0
"""Emphysema index: %LAA-950 and Perc15 after noise-matched smoothing."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

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


def noise_sd(volume: Volume, mask: BoolArray) -> float:
    """Estimate the noise (HU) inside a mask from second differences along x (robust MAD).

    Uses voxels two apart, since neighbours are correlated by the reconstruction kernel.
    """
    zs = np.flatnonzero(mask.any(axis=(1, 2)))
    pick = zs[:: max(1, len(zs) // 24)]
    values = []
    for k in pick:
        s = volume.voxels[k].astype(np.float32)
        inside = mask[k, :, 3:-3] & mask[k, :, :-6] & mask[k, :, 6:]
        difference = s[:, 3:-3] - 0.5 * (s[:, :-6] + s[:, 6:])
        values.append(difference[inside])
    flat = np.concatenate(values) if values else np.zeros(0, np.float32)
    if flat.size < 200:
        return 0.0
    return float(1.4826 * np.median(np.abs(flat - np.median(flat))) / np.sqrt(1.5))


def measure_emphysema(volume: Volume, lungs: Lungs) -> Emphysema:
    """Measure emphysema on block means of about 2 mm, smoothed until noise is below 10 HU."""
    coarse = lungs.coarse
    raw = noise_sd(volume, lungs.labels > 0)
    inside = ndimage.binary_erosion(lungs.coarse_labels > 0, iterations=2)
    if lungs.airways is not None:
        inside &= ~ndimage.binary_dilation(lungs.airways.mask, iterations=2)
    weight = (lungs.coarse_labels > 0).astype(np.float32)
    residual = noise_sd(coarse, inside)
    field, sigma = coarse.voxels, 0.0
    if residual > 14.0:
        # White noise of sd s drops to about s / (8 pi^1.5 sigma^3)^0.5 in three dimensions.
        sigma = float(np.clip((residual / 10.0) ** (2 / 3) / 3.55 ** (2 / 3), 0.4, 1.1))
        field = ndimage.gaussian_filter(np.where(weight > 0, field, 0), sigma)
        field = field / np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-3)
        residual = noise_sd(coarse.like(field.astype(np.float32)), inside)
    low = field < LIMIT_HU

    def share(where: BoolArray) -> float | None:
        count = int(np.count_nonzero(where))
        return 100.0 * float(np.count_nonzero(low & where)) / count if count else None

    values = field[inside]
    return Emphysema(
        laa950=share(inside) or 0.0,
        right=share(inside & (lungs.coarse_labels == RIGHT)),
        left=share(inside & (lungs.coarse_labels == LEFT)),
        perc15=float(np.percentile(values, 15)) if values.size else 0.0,
        noise_sd=raw,
        residual_sd=residual,
    )
