# SPDX-License-Identifier: Apache-2.0
"""Sizes of a lesion: axes on the largest axial section, volume, solid core, density type."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from healthvision.clinical.chest.features import Grown, _opened, _piece
from healthvision.clinical.chest.grid import Float32
from healthvision.clinical.volume import BoolArray, FloatArray

Density = Literal["solid", "part-solid", "ground-glass", "calcified", "fat"]
SOLID_HU, GROUND_GLASS_HU, CALCIFIED_HU = -300.0, -720.0, 200.0
_FINER = 3


@dataclass(frozen=True, eq=False, slots=True)
class Axes:
    """Longest diameter of a section and the widest one across it, in mm.

    ``ends``: four points (y, x) in mm of the section: long axis start, end, short start, end.
    """

    long_mm: float
    short_mm: float
    ends: FloatArray

    @property
    def mean_mm(self) -> float:
        """Mean of both axes, rounded to 0.1 mm as Lung-RADS v2022 asks."""
        return round((self.long_mm + self.short_mm) / 2, 1)


@dataclass(frozen=True, eq=False, slots=True)
class Sizes:
    """What was measured of one lesion; masks are cubes of 1 mm voxels.

    ``section``: index along z of the largest axial section in the cube.
    """

    mask: BoolArray
    axes: Axes
    section: int
    volume_mm3: float
    density: Density
    mean_hu: float
    solid_mm: float | None
    solid_mm3: float | None


def feret(points: FloatArray, pixel_mm: float) -> Axes:
    """Return the axes of a set of pixel centres (n, 2) in mm (y, x); pixels count in full."""
    if len(points) >= 4:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:
            points = np.unique(points, axis=0)
    gaps = points[:, None, :] - points[None, :, :]
    distance = np.sqrt((gaps**2).sum(axis=2))
    a, b = np.unravel_index(int(np.argmax(distance)), distance.shape)
    long_mm = float(distance[a, b])
    along = gaps[b, a] / max(long_mm, 1e-9)
    across = points @ np.array([-along[1], along[0]])
    c, d = int(np.argmin(across)), int(np.argmax(across))
    middle = points.mean(axis=0)
    normal = np.array([-along[1], along[0]])
    low = middle + normal * (across[c] - middle @ normal)
    high = middle + normal * (across[d] - middle @ normal)
    return Axes(
        long_mm + pixel_mm,
        float(across[d] - across[c]) + pixel_mm,
        np.array([points[a], points[b], low, high]),
    )


def _shape(cube: Float32, mask: BoolArray, threshold: float) -> tuple[Axes, int, float]:
    """Return axes, section and volume (mm3) of a mask at a finer grid, cut at the threshold."""
    near = ndimage.distance_transform_edt(~mask) <= 1.8
    section = int(np.argmax(mask.sum(axis=(1, 2))))

    def finer(image: Float32, allowed: BoolArray) -> BoolArray:
        zoomed = ndimage.zoom(image, _FINER, order=1, grid_mode=True, mode="nearest")
        out: BoolArray = (zoomed > threshold) & np.asarray(
            ndimage.zoom(allowed.astype(np.uint8), _FINER, order=0, grid_mode=True, mode="nearest"),
            bool,
        )
        return out

    where = np.argwhere(near)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    volume = float(np.count_nonzero(finer(cube[box], near[box]))) / _FINER**3
    flat = finer(cube[section], near[section])
    if not flat.any():
        flat = np.repeat(np.repeat(mask[section], _FINER, 0), _FINER, 1)
    points = (np.argwhere(flat) + 0.5) / _FINER - 0.5
    return feret(points, 1 / _FINER), section, volume


def _halo(grown: Grown, smooth: Float32) -> BoolArray | None:
    """Return the whole of a part-solid lesion, or None when the core has no clear halo."""
    level = max(GROUND_GLASS_HU, grown.background + 90)
    at = grown.centre - np.array(grown.corner)
    grids = np.ogrid[: smooth.shape[0], : smooth.shape[1], : smooth.shape[2]]
    reach = 1.6 * grown.diameter + 3
    distance2 = sum((g - c) ** 2 for g, c in zip(grids, at, strict=True))
    ball: BoolArray = np.asarray(distance2 <= reach**2)
    whole = _piece((smooth > level) & ball, at, ball)
    whole = _piece(_opened(whole, 0.55 * grown.diameter), at, ball)
    outside = ndimage.distance_transform_edt(~grown.mask)
    shell = smooth[(outside > 1.2) & (outside <= 2.3)]
    # Ground glass fills the shell around the core; rays and vessels leave most of it dark.
    if shell.size < 20 or np.mean((shell > -750) & (shell < -350)) < 0.55:
        return None
    if np.count_nonzero(whole) < 1.8 * np.count_nonzero(grown.mask):
        return None
    return whole


def _weighed(grown: Grown) -> float:
    """Return the volume in mm3 by the share of lesion in each voxel, not misled by blur.

    Voxels up to 2.3 mm outside count by their density; denser ones than the threshold there
    belong to something else (vessel, wall) and do not count.
    """
    outside = ndimage.distance_transform_edt(~grown.mask)
    far = (outside > 2.3) & (outside <= 4.5) & (grown.cube < grown.threshold)
    base = float(np.median(grown.cube[far])) if far.any() else grown.background
    share = np.clip((grown.cube - base) / max(grown.core - base, 1.0), -0.2, 1.0)
    counted = (outside <= 2.3) & ((outside <= 1.0) | (grown.cube < grown.threshold))
    return float(share[counted].sum())


def density_of(grown: Grown) -> Density:
    """Return the density type of the grown part by its centre (HU)."""
    core = grown.core
    if core > CALCIFIED_HU:
        return "calcified"
    if core < SOLID_HU:
        return "ground-glass"
    return "solid"


def measure(grown: Grown, raw: Float32) -> Sizes:
    """Measure a grown lesion. ``raw``: HU of the same cube without the clipping at 200 HU."""
    cube = grown.cube
    smooth = ndimage.gaussian_filter(cube, 0.7)
    density = density_of(grown)
    inner = ndimage.binary_erosion(grown.mask)
    inner = inner if inner.any() else grown.mask
    mask, threshold = grown.mask, grown.threshold
    solid_mm = solid_mm3 = None
    if density == "solid":
        if float(np.median(raw[inner])) > CALCIFIED_HU:
            density = "calcified"
        else:
            whole = _halo(grown, smooth)
            if whole is not None:
                core = grown.mask & (smooth > SOLID_HU)
                core = core if np.count_nonzero(core) >= 4 else grown.mask
                axes, _, solid_mm3 = _shape(cube, core, SOLID_HU)
                solid_mm = axes.mean_mm
                density, mask = "part-solid", whole
                threshold = max(GROUND_GLASS_HU, grown.background + 90)
    source = smooth if density in ("part-solid", "ground-glass") else cube
    axes, section, volume = _shape(source, mask, threshold)
    if density != "part-solid":
        volume = max(volume, _weighed(grown))
    if solid_mm is not None:
        solid_mm = min(solid_mm, axes.mean_mm)
    return Sizes(
        mask=mask,
        axes=axes,
        section=section,
        volume_mm3=volume,
        density=density,
        mean_hu=float(raw[inner].mean()),
        solid_mm=solid_mm,
        solid_mm3=solid_mm3,
    )
