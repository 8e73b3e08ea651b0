# SPDX-License-Identifier: Apache-2.0
"""A seeded procedural chest CT with its truth (clinical notes, section 1)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.phantoms.anatomy import Body, draw_body
from healthvision.clinical.phantoms.grid import Float32, Grid, blend, coverage
from healthvision.clinical.phantoms.nodules import (
    KINDS,
    PLACES,
    Kind,
    MassPlace,
    MassTruth,
    NoduleTruth,
    Place,
    draw_masses,
    draw_nodules,
    place_masses,
    place_nodules,
)
from healthvision.clinical.phantoms.trees import airways, draw_airways, draw_vessels, vessels
from healthvision.clinical.volume import BoolArray, Volume, axial


@dataclass(frozen=True, slots=True)
class ChestConfig:
    """What to draw. The anatomy fits itself to the field of view, so any size gives a whole chest.

    ``shape`` and ``spacing`` (mm) are (z, y, x). ``nodules``: how many to draw at random, or
    ``wishes``: exactly these (kind, place, diameter in mm). ``emphysema``: share of the lung
    (0..0.5) below -950 HU. ``noise_sd``: HU. ``psf_mm``: sigma of the scanner's blur.
    ``vessel_density``: 1 gives about 2,000 vessel pieces. ``lung_height_mm``: None fits the stack.
    ``faint_hu``: nodules are darker by a random amount of up to this. ``masses``:
    (place, diameter in mm); they count as lung.
    """

    shape: tuple[int, int, int] = (150, 320, 320)
    spacing: tuple[float, float, float] = (1.25, 1.125, 1.125)
    nodules: int = 5
    wishes: tuple[tuple[Kind, Place, float], ...] | None = None
    emphysema: float = 0.0
    noise_sd: float = 20.0
    psf_mm: float = 0.6
    vessel_density: float = 1.0
    lung_height_mm: float | None = None
    faint_hu: float = 0.0
    masses: tuple[tuple[MassPlace, float], ...] = ()


SMALL = ChestConfig(shape=(96, 192, 192), spacing=(2.2, 1.9, 1.9), nodules=3, vessel_density=0.6)


@dataclass(frozen=True, eq=False, slots=True)
class ChestPhantom:
    """A chest CT and what is truly in it.

    ``volume``: int16 HU, standard axial order. ``lungs``: bool (z, y, x), vessels and nodules
    included, trachea and main bronchi not. ``emphysema_percent``: share of ``lungs`` below
    -950 HU as a scanner without noise would see it.
    """

    seed: int
    config: ChestConfig
    volume: Volume
    lungs: BoolArray
    lung_ml: float
    left_ml: float
    right_ml: float
    emphysema_percent: float
    nodules: tuple[NoduleTruth, ...]
    masses: tuple[MassTruth, ...] = ()


def _wishes(rng: np.random.Generator, count: int) -> list[tuple[Kind, Place, float]]:
    """Return a mix like that of screening: mostly solid, 4-20 mm, small ones more often."""
    kinds = rng.choice(len(KINDS), size=count, p=[0.5, 0.2, 0.13, 0.12, 0.05])
    places = rng.choice(len(PLACES), size=count, p=[0.55, 0.22, 0.23])
    sizes = 4.0 + 16.0 * rng.beta(1.1, 2.2, size=count)
    out = []
    for kind, place, size in zip(kinds, places, sizes, strict=True):
        name = KINDS[kind]
        subsolid = name in ("ground-glass", "part-solid")
        where: Place = "isolated" if subsolid else PLACES[place]
        least = {"part-solid": 9.0, "ground-glass": 6.0, "spiculated": 8.0}.get(name, 4.0)
        out.append((name, where, float(max(size, least))))
    return out


def _texture(rng: np.random.Generator, grid: Grid, scale_mm: float) -> Float32:
    """Smooth random field of the grid's shape with mean 0 and sd 1."""
    axes = (grid.z, grid.y, grid.x)
    coarse = tuple(int(np.ceil((a[-1] - a[0]) / scale_mm)) + 3 for a in axes)
    field = rng.standard_normal(coarse).astype(np.float32)
    field = ndimage.gaussian_filter(field, 0.8)
    field /= field.std()
    out = field
    for i, a in enumerate(axes):  # linear interpolation, one axis at a time
        at = (a - a[0]) / np.float32(scale_mm) + 1
        low = np.floor(at).astype(int)
        share = (at - low).astype(np.float32).reshape([-1 if j == i else 1 for j in range(3)])
        out = np.take(out, low, axis=i) * (1 - share) + np.take(out, low + 1, axis=i) * share
    return out


def _fill_lungs(
    hu: Float32, distance: Float32, grid: Grid, rng: np.random.Generator, config: ChestConfig
) -> None:
    """Put air-filled tissue with texture, gravity gradient and emphysema into the lungs."""
    tissue = _texture(rng, grid, 7.0)
    tissue *= 14.0
    tissue += np.float32(-868.0) + np.float32(0.22) * grid.y[None, :, None]
    np.clip(tissue, -925.0, -780.0, out=tissue)
    if config.emphysema > 0:
        holes = _texture(rng, grid, 5.0)
        inside = holes[distance < 0]
        cut = float(np.quantile(inside[:: max(1, inside.size // 400_000)], 1 - config.emphysema))
        blend(tissue, -992.0, np.clip((holes - cut) * 12 + 0.5, 0, 1).astype(np.float32))
        del holes, inside
    voxel = float(grid.spacing.mean())
    for start in range(0, hu.shape[0], 16):
        part = slice(start, start + 16)
        blend(hu[part], tissue[part], coverage(distance[part], voxel))


def _blur(hu: Float32, config: ChestConfig) -> None:
    """Blur in place: the scanner's PSF in plane, the slice profile along z."""
    sigma = [
        float(np.sqrt(config.psf_mm**2)) / s if s < 3 * config.psf_mm else 0.25
        for s in config.spacing
    ]
    ndimage.gaussian_filter(hu, sigma, output=hu, truncate=3.0)


def _add_noise(hu: Float32, rng: np.random.Generator, sd: float) -> None:
    """Add noise correlated over about one voxel in plane, with exactly this sd on average."""
    if sd <= 0:
        return
    sigma = 0.55
    taps = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    taps /= taps.sum()
    gain = float((taps**2).sum())  # sd of white noise after two passes
    for start in range(0, hu.shape[0], 16):
        part = hu[start : start + 16]
        noise = rng.standard_normal(part.shape, dtype=np.float32)
        for axis in (1, 2):
            ndimage.correlate1d(noise, taps, axis=axis, output=noise)
        part += noise * np.float32(sd / gain)


def body_of(rng: np.random.Generator, config: ChestConfig) -> Body:
    """Return the measures of a body: the first thing ``phantom`` draws from its generator."""
    nz, _, nx = config.shape
    room = nz * config.spacing[0]
    height = min(room - 26.0, 265.0) if config.lung_height_mm is None else config.lung_height_mm
    width = min(nx * config.spacing[2], config.shape[1] * config.spacing[1] * 1.25)
    return Body(
        scale=float(width / 362.0 * rng.uniform(0.93, 1.0)),
        height=float(height * rng.uniform(0.94, 1.0)),
        heart_x=float(rng.uniform(22, 30)),
        dome=float(rng.uniform(18, 32)),
    )


def phantom(seed: int, config: ChestConfig | None = None) -> ChestPhantom:
    """Draw the chest CT of a seed; the same seed and configuration give the same voxels.

    Takes about 4 s for (150, 320, 320) on one core.
    """
    config = config or ChestConfig()
    rng = np.random.default_rng([seed, 0xC4E57])
    body = body_of(rng, config)
    axes = [
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(config.shape, config.spacing, strict=True)
    ]
    grid = Grid(*axes)
    tubes = vessels(rng, body, density=config.vessel_density)
    bronchi = airways(rng, body)
    wishes = list(config.wishes) if config.wishes else _wishes(rng, config.nodules)
    nodules = place_nodules(rng, body, tubes, wishes)

    hu = np.empty(config.shape, np.float32)
    distance = np.empty(config.shape, np.float32)
    draw_body(hu, distance, grid, body)
    _fill_lungs(hu, distance, grid, rng, config)
    draw_vessels(hu, grid, tubes)
    draw_airways(hu, grid, body, bronchi)
    masses = place_masses(body, config.masses)
    draw_masses(hu, distance, grid, masses)
    draw_nodules(hu, grid, nodules, rng, faint_hu=config.faint_hu)
    _blur(hu, config)
    lungs: BoolArray = distance < 0
    del distance
    emphysema = 100.0 * float(np.mean(hu[lungs] < -950.0))
    _add_noise(hu, rng, config.noise_sd)

    np.clip(hu, -1024, 3071, out=hu)
    np.rint(hu, out=hu)
    voxels = hu.astype(np.int16)
    volume = axial(
        voxels, config.spacing, origin=(float(axes[2][0]), float(axes[1][0]), float(axes[0][0]))
    )
    left = float(np.count_nonzero(lungs[:, :, grid.x > 0])) * volume.voxel_ml
    total = float(np.count_nonzero(lungs)) * volume.voxel_ml
    right = total - left
    return ChestPhantom(seed, config, volume, lungs, total, left, right, emphysema, nodules, masses)
