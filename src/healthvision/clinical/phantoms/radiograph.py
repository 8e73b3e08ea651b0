# SPDX-License-Identifier: Apache-2.0
"""A chest X-ray projected from a chest CT phantom, with lung fields, heart and exact CTR."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from healthvision.clinical.phantoms.chest import ChestConfig, body_of, phantom
from healthvision.clinical.volume import BoolArray

WATER_PER_MM = 0.019  # linear attenuation of water at about 70 keV, 1/mm


CHEST = ChestConfig(shape=(160, 180, 180), spacing=(1.8, 1.9, 1.9), nodules=0)


@dataclass(frozen=True, slots=True)
class RadiographConfig:
    """``chest``: the CT to project; its noise is left out. ``opacity_mm``: radius of a planted
    opacity in the right lung, 0 for none. ``noise``: relative quantum noise. ``inverted``: greys
    as MONOCHROME1 shows them, lungs white.
    """

    chest: ChestConfig = CHEST
    opacity_mm: float = 0.0
    noise: float = 0.01
    inverted: bool = False


MINI = RadiographConfig(chest=ChestConfig(shape=(64, 64, 64), spacing=(4.4, 5.6, 5.6), nodules=0))


@dataclass(frozen=True, eq=False, slots=True)
class RadiographPhantom:
    """``pixels``: uint16 (rows, columns), head up, patient right on the left, dense is bright.

    ``lungs``, ``heart``: bool of the same shape. ``ctr``: widest heart over widest inner thorax
    of the two lung fields' outer edges. ``opacity``: row and column of the planted one.
    """

    seed: int
    config: RadiographConfig
    pixels: npt.NDArray[np.uint16]
    spacing_mm: tuple[float, float]
    lungs: BoolArray
    heart: BoolArray
    ctr: float
    opacity: tuple[float, float] | None


def radiograph(seed: int, config: RadiographConfig | None = None) -> RadiographPhantom:
    """Project the chest of a seed along y with parallel rays; about 3 s for the default size."""
    config = config or RadiographConfig()
    chest = phantom(seed, replace(config.chest, noise_sd=0.0))
    rng = np.random.default_rng([seed, 0xD44])
    hu = chest.volume.voxels.astype(np.float32)
    z, _, x = (chest.volume.spacing[i] for i in range(3))
    opacity = None
    if config.opacity_mm > 0:
        opacity = _plant(hu, chest.lungs, chest.volume.spacing, config.opacity_mm)
    thickness = np.clip(1 + hu / 1000, 0, None).sum(axis=1) * chest.volume.spacing[1]
    signal = np.exp(-WATER_PER_MM * thickness)
    signal *= 1 + config.noise * rng.standard_normal(signal.shape)
    density = -np.log(np.clip(signal, 1e-5, None))
    low, high = np.percentile(density, [0.5, 99.5])
    grey = np.clip((density - low) / max(high - low, 1e-6), 0, 1)[::-1]
    if config.inverted:
        grey = 1 - grey
    lungs = (chest.lungs.sum(axis=1) * chest.volume.spacing[1] > 15.0)[::-1]
    heart = _heart(seed, config.chest)[::-1]
    rows = heart.shape[0]
    place = None if opacity is None else (rows - 1 - opacity[0], opacity[1])
    pixels = np.rint(grey * 4095).astype(np.uint16)
    return RadiographPhantom(
        seed, config, pixels, (z, x), lungs, heart, _ratio(heart, lungs), place
    )


def _plant(
    hu: npt.NDArray[np.float32],
    lungs: BoolArray,
    spacing: tuple[float, float, float],
    radius: float,
) -> tuple[float, float]:
    """Fill a ball in the middle of the right lung with soft tissue; return its z and x index."""
    right = lungs.copy()
    right[:, :, lungs.shape[2] // 2 :] = False
    centre = np.array(ndimage.center_of_mass(right))
    z, y, x = (
        ((np.arange(n) - c) * s) ** 2 for n, c, s in zip(hu.shape, centre, spacing, strict=True)
    )
    ball = (z[:, None, None] + y[None, :, None] + x[None, None, :] < radius**2) & lungs
    hu[ball] = 20.0
    return float(centre[0]), float(centre[2])


def _heart(seed: int, config: ChestConfig) -> BoolArray:
    """Return the shadow (z, x) of the heart of the same seed's chest, from its own surface."""
    body = body_of(np.random.default_rng([seed, 0xC4E57]), config)
    z, y, x = (
        (np.arange(n) - (n - 1) / 2) * s for n, s in zip(config.shape, config.spacing, strict=True)
    )
    surface = np.asarray(body.heart(x[None, None, :], y[None, :, None], z[:, None, None]))
    inside: BoolArray = surface < 0
    return np.asarray(inside.any(axis=1), bool)


def _ratio(heart: BoolArray, lungs: BoolArray) -> float:
    """Return the cardiothoracic ratio of two masks (rows, columns)."""
    columns = np.flatnonzero(heart.any(axis=0))
    widths = [np.ptp(np.flatnonzero(row)) + 1 for row in lungs if row.any()]
    return float((columns[-1] - columns[0] + 1) / max(widths))
