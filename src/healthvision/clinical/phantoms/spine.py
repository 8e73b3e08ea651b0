# SPDX-License-Identifier: Apache-2.0
"""A seeded CT of a lumbar spine with known trabecular density in each body."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from healthvision.clinical.volume import Volume, axial


@dataclass(frozen=True, slots=True)
class SpineConfig:
    """What to draw. ``shape`` and ``spacing`` (mm) are (z, y, x).

    ``trabecular_hu``: one value per body from the top, or None for random ones of 60-200 HU.
    ``fractured``: numbers of bodies pressed to 0.65 of their height. ``curve_mm``: sideways bow
    of a scoliosis. ``noise_sd``: HU.
    """

    shape: tuple[int, int, int] = (150, 160, 160)
    spacing: tuple[float, float, float] = (1.25, 1.0, 1.0)
    bodies: int = 5
    trabecular_hu: tuple[float, ...] | None = None
    fractured: tuple[int, ...] = ()
    curve_mm: float = 0.0
    noise_sd: float = 15.0


MINI = SpineConfig(shape=(64, 64, 64), spacing=(2.9, 2.5, 2.5))


@dataclass(frozen=True, slots=True)
class BodyTruth:
    """One vertebral body: ``number`` from the top, centre in LPS mm, height in mm, HU within."""

    number: int
    centre: tuple[float, float, float]
    height_mm: float
    trabecular_hu: float
    fractured: bool


@dataclass(frozen=True, eq=False, slots=True)
class SpinePhantom:
    """``labels``: uint8, 0 or the number of the body whose trabecular bone a voxel is."""

    seed: int
    config: SpineConfig
    volume: Volume
    labels: npt.NDArray[np.uint8]
    bodies: tuple[BodyTruth, ...]


def spine(seed: int, config: SpineConfig | None = None) -> SpinePhantom:
    """Draw the spine of a seed; about 2 s for the default size."""
    config = config or SpineConfig()
    rng = np.random.default_rng([seed, 0x591E])
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(config.shape, config.spacing, strict=True)
    )
    grid = (z[:, None, None], y[None, :, None], x[None, None, :])
    width, depth = float(np.ptp(x)), float(np.ptp(y))
    outline = (grid[2] / (0.47 * width)) ** 2 + (grid[1] / (0.47 * depth)) ** 2
    hu = np.broadcast_to(
        np.where(outline < 0.88, 45.0, np.where(outline < 1, -100.0, -1000.0)), config.shape
    ).astype(np.float32)
    bow = config.curve_mm * np.cos(np.pi * grid[0] / float(np.ptp(z)))
    bodies = _plan(rng, config, float(np.ptp(z)))
    labels = np.zeros(config.shape, np.uint8)
    _column(hu, grid, bow)
    for body in bodies:
        _draw(hu, labels, grid, bow, body)
    hu = ndimage.gaussian_filter(hu, [0.5 / s for s in config.spacing])
    hu += rng.standard_normal(hu.shape, dtype=np.float32) * np.float32(config.noise_sd)
    voxels = np.rint(np.clip(hu, -1024, 3071)).astype(np.int16)
    volume = axial(voxels, config.spacing, (float(x[0]), float(y[0]), float(z[0])))
    return SpinePhantom(seed, config, volume, labels, bodies)


def _plan(rng: np.random.Generator, config: SpineConfig, length: float) -> tuple[BodyTruth, ...]:
    pitch = length / (config.bodies + 0.3)
    out = []
    for i in range(config.bodies):
        hu = (
            float(rng.uniform(60, 200))
            if config.trabecular_hu is None
            else config.trabecular_hu[i % len(config.trabecular_hu)]
        )
        broken = i + 1 in config.fractured
        height = (pitch - 8.0) * (0.65 if broken else 1.0)
        middle = length / 2 - pitch * (i + 0.65)
        bow = config.curve_mm * float(np.cos(np.pi * middle / length))
        out.append(BodyTruth(i + 1, (bow, 10.0, middle), height, hu, broken))
    return tuple(out)


_Grid = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]


def _column(hu: npt.NDArray[np.float32], grid: _Grid, bow: npt.NDArray[np.float32]) -> None:
    """Draw discs between the bodies, the canal and the ring of bone around it."""
    _, y, x = grid
    disc = ((x - bow) / 22) ** 2 + ((y - 10) / 17) ** 2 < 1
    hu[np.broadcast_to(disc, hu.shape)] = 85.0
    canal = ((x - bow) / 10) ** 2 + ((y - 37) / 8) ** 2
    hu[np.broadcast_to(canal < 2.0, hu.shape)] = 380.0
    hu[np.broadcast_to(canal < 1.0, hu.shape)] = 25.0


def _draw(
    hu: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    grid: _Grid,
    bow: npt.NDArray[np.float32],
    body: BodyTruth,
) -> None:
    """Draw one body: a shell of cortex 1.5 mm thick around trabecular bone."""
    z, y, x = grid
    radius = np.sqrt(((x - bow) / 22) ** 2 + ((y - 10) / 17) ** 2)
    along = np.abs(z - body.centre[2]) - body.height_mm / 2
    distance = np.maximum((radius - 1) * 17, along)
    hu[distance < 0] = 420.0
    inner = distance < -1.5
    hu[inner] = body.trabecular_hu
    labels[inner] = body.number
