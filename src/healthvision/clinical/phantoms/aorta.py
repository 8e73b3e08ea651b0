# SPDX-License-Identifier: Apache-2.0
"""A seeded CT angiogram of an aorta with arch; on wish an aneurysm or a dissection."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from healthvision.clinical.volume import Volume, axial

TRUE_LUMEN, FALSE_LUMEN, FLAP = 1, 2, 3


@dataclass(frozen=True, slots=True)
class AortaConfig:
    """What to draw. ``shape`` and ``spacing`` (mm) are (z, y, x); diameters in mm.

    ``aneurysm_mm``: greatest diameter of a bulge of the descending part, 0 for none.
    ``dissected``: a flap winds through the descending part. ``lumen_hu``: contrast.
    """

    shape: tuple[int, int, int] = (160, 130, 130)
    spacing: tuple[float, float, float] = (1.25, 1.0, 1.0)
    ascending_mm: float = 34.0
    descending_mm: float = 25.0
    aneurysm_mm: float = 0.0
    dissected: bool = False
    lumen_hu: float = 320.0
    noise_sd: float = 20.0


MINI = AortaConfig(shape=(64, 64, 64), spacing=(3.1, 2.1, 2.1))


@dataclass(frozen=True, eq=False, slots=True)
class AortaPhantom:
    """``labels``: uint8 of the constants of this module; ``centreline``: LPS mm (n, 3) from the
    root on, with ``diameters`` (n) in mm measured perpendicular to it.
    """

    seed: int
    config: AortaConfig
    volume: Volume
    labels: npt.NDArray[np.uint8]
    centreline: npt.NDArray[np.float64]
    diameters: npt.NDArray[np.float64]


def aorta(seed: int, config: AortaConfig | None = None) -> AortaPhantom:
    """Draw the aorta of a seed; about 3 s for the default size."""
    config = config or AortaConfig()
    rng = np.random.default_rng([seed, 0xA0A7])
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(config.shape, config.spacing, strict=True)
    )
    line, diameters = _course(config, float(np.ptp(z)), rng)
    distance, nearest = _nearest(line, diameters, z, y, x)
    hu = np.full(config.shape, 45.0, np.float32)
    labels = np.zeros(config.shape, np.uint8)
    inside = distance < 0
    hu[distance < 1.5] = 60.0  # wall
    hu[inside] = config.lumen_hu
    labels[inside] = TRUE_LUMEN
    if config.dissected:
        _dissect(hu, labels, line, nearest, (z, y, x), config)
    hu = ndimage.gaussian_filter(hu, [0.5 / s for s in config.spacing])
    hu += rng.standard_normal(hu.shape, dtype=np.float32) * np.float32(config.noise_sd)
    voxels = np.rint(np.clip(hu, -1024, 3071)).astype(np.int16)
    volume = axial(voxels, config.spacing, (float(x[0]), float(y[0]), float(z[0])))
    return AortaPhantom(seed, config, volume, labels, line, diameters)


_Float = npt.NDArray[np.float64]


def _course(config: AortaConfig, length: float, rng: np.random.Generator) -> tuple[_Float, _Float]:
    """Return points (x, y, z) every 2 mm or so along the aorta, and diameters there."""
    top, bend = 0.22 * length, 26.0 + float(rng.uniform(-2, 2))
    up = np.linspace(-0.12 * length, top, 30)
    around = np.linspace(0, np.pi, 40)[1:]
    down = np.linspace(top, -0.48 * length, 70)[1:]
    x = np.concatenate([np.full(30, -8.0), np.interp(around, [0, np.pi], [-8, 12]),
                        np.full(69, 12.0)])  # fmt: skip
    y = np.concatenate([np.full(30, -bend), -bend * np.cos(around), np.full(69, bend)])
    z = np.concatenate([up, top + bend * np.sin(around), down])
    share = np.concatenate([np.zeros(30), np.linspace(0, 1, 39), np.ones(69)])
    diameters = config.ascending_mm + share * (config.descending_mm - config.ascending_mm)
    if config.aneurysm_mm > 0:
        middle = -0.15 * length
        bulge = np.exp(-(((z - middle) / 22.0) ** 2)) * (share == 1)
        diameters = diameters + bulge * (config.aneurysm_mm - diameters)
    return np.stack([x, y, z], axis=1), diameters


def _nearest(
    line: _Float,
    diameters: _Float,
    z: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
    """Return the distance to the wall (negative inside) and the nearest point of the line."""
    best = np.full((len(z), len(y), len(x)), 1e6, np.float32)
    which = np.zeros(best.shape, np.int16)
    for i, ((px, py, pz), d) in enumerate(zip(line, diameters, strict=True)):
        reach = d / 2 + 6
        box = tuple(
            slice(int(np.searchsorted(a, p - reach)), int(np.searchsorted(a, p + reach)))
            for a, p in zip((z, y, x), (pz, py, px), strict=True)
        )
        gap = (
            np.sqrt(
                (z[box[0]][:, None, None] - pz) ** 2
                + (y[box[1]][None, :, None] - py) ** 2
                + (x[box[2]][None, None, :] - px) ** 2
            )
            - d / 2
        ).astype(np.float32)
        closer = gap < best[box]
        best[box][closer] = gap[closer]
        which[box][closer] = i
    return best, which


def _dissect(
    hu: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    line: _Float,
    nearest: npt.NDArray[np.int16],
    axes: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
    config: AortaConfig,
) -> None:
    """Part the descending lumen by a flap that turns once; the false lumen is a little darker."""
    first = len(line) - 69
    where = np.argwhere((labels == TRUE_LUMEN) & (nearest >= first))
    y, x = (axes[k][where[:, k]] for k in (1, 2))
    i = nearest[tuple(where.T)]
    angle = 2 * np.pi * (i - first) / 69
    side = (x - line[i, 0]) * np.cos(angle) + (y - line[i, 1]) * np.sin(angle)
    off = side - 0.15 * config.descending_mm
    spots = tuple(where[off > 0.9].T)
    labels[spots], hu[spots] = FALSE_LUMEN, 0.8 * config.lumen_hu
    flap = tuple(where[np.abs(off) <= 0.9].T)
    labels[flap], hu[flap] = FLAP, 70.0
