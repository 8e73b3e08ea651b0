# SPDX-License-Identifier: Apache-2.0
"""The plane of symmetry of a brain, left-right volumes, and regions unlike their mirror image.

A region is only called atypical: neither its cause nor its nature is determined.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from healthvision.clinical.brain.extraction import Brain
from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.brain.tissues import Tissues, depth_mm
from healthvision.clinical.chest.grid import Float32, block_mean, distance_mm
from healthvision.clinical.volume import BoolArray, FloatArray

SMALLEST_ATYPICAL_ML = 1.0


@dataclass(frozen=True, slots=True)
class Plane:
    """Points p (z, y, x in mm of the grid) with (p - ``point``) . ``normal`` = 0.

    The normal points to the patient's left. ``correlation``: of both halves, -1..1.
    """

    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    correlation: float

    def side_mm(self, shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Float32:
        """Return the signed distance of every voxel; positive on the patient's left."""
        z, y, x = (
            (np.arange(n, dtype=np.float32) * np.float32(s) - np.float32(p)) * np.float32(k)
            for n, s, p, k in zip(shape, spacing, self.point, self.normal, strict=True)
        )
        out: Float32 = z[:, None, None] + y[None, :, None] + x[None, None, :]
        return out


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """Volumes left and right of the plane in ml; ``index`` = 2 (L - R) / (L + R)."""

    left_ml: float
    right_ml: float

    @property
    def index(self) -> float:
        """Asymmetry index: positive when the left is larger; 0 when both are empty."""
        total = self.left_ml + self.right_ml
        return 0.0 if total == 0 else 2.0 * (self.left_ml - self.right_ml) / total


@dataclass(frozen=True, eq=False, slots=True)
class Atypical:
    """A region unlike its mirror image and its surroundings. ``mask``: bool of ``Scan.work``.

    ``brighter``: whether it is brighter than the mirrored place; ``excess``: its mean difference
    from everything nearby on the other side, in units of the brain's own spread (MAD based).
    """

    mask: BoolArray
    ml: float
    centre: tuple[float, float, float]  # index (z, y, x)
    brighter: bool
    excess: float


def _mirror(
    shape: tuple[int, ...], spacing: tuple[float, float, float], plane: Plane
) -> FloatArray:
    """Return index coordinates (3, z, y, x) of the mirrored place of every voxel."""
    side = plane.side_mm(shape, spacing)
    grid = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij", sparse=True)
    return np.stack(
        [
            g - 2 * side * np.float32(n / s)
            for g, n, s in zip(grid, plane.normal, spacing, strict=True)
        ]
    )


def _plane(values: FloatArray, centre: FloatArray, correlation: float) -> Plane:
    shift, yaw, roll = values
    normal = np.array([np.sin(roll), np.sin(yaw), 1.0])
    normal /= np.linalg.norm(normal)
    point = centre + shift * normal
    return Plane(
        (float(point[0]), float(point[1]), float(point[2])),
        (float(normal[0]), float(normal[1]), float(normal[2])),
        correlation,
    )


def find_plane(scan: Scan, brain: Brain) -> Plane:
    """Return the mirror plane of highest correlation of both halves, from a 5 mm copy."""
    factors = tuple(max(1, round(5.0 / s)) for s in scan.work.spacing)
    steps = (factors[0], factors[1], factors[2])
    cut = float(np.percentile(brain.level[brain.mask], 99))
    image = np.clip(brain.level, 0, cut) * brain.inside
    small = block_mean(scan.work.like(image.astype(np.float32)), steps)
    voxels = ndimage.gaussian_filter(small.voxels, 0.7)
    offset = (np.array(steps) - 1) / 2 * np.array(scan.work.spacing)
    centre = np.array(ndimage.center_of_mass(voxels > 0)) * small.spacing

    def cost(values: FloatArray) -> float:
        plane = _plane(values, centre, 0.0)
        other = ndimage.map_coordinates(
            voxels, _mirror(voxels.shape, small.spacing, plane), order=1, mode="constant"
        )
        a, b = voxels - voxels.mean(), other - other.mean()
        return -float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-9))

    start = np.array([[0, 0, 0], [6, 0, 0], [0, 0.1, 0], [0, 0, 0.1]], float)
    found = optimize.minimize(
        cost,
        start[0],
        method="Nelder-Mead",
        options={"initial_simplex": start, "maxfev": 90, "xatol": 0.005, "fatol": 1e-5},
    )
    return _plane(found.x, centre + offset, -float(found.fun))


def asymmetry(scan: Scan, plane: Plane, share: Float32) -> Asymmetry:
    """Return the volume of one tissue (shares 0..1 of ``Scan.work``) on either side."""
    side = plane.side_mm(share.shape, scan.work.spacing)
    left = float(share[side > 0].sum()) * scan.work.voxel_ml
    right = float(share[side <= 0].sum()) * scan.work.voxel_ml
    return Asymmetry(left, right)


def atypical_regions(
    scan: Scan, brain: Brain, tissues: Tissues, plane: Plane, *, threshold: float = 2.5
) -> tuple[Atypical, ...]:
    """Return regions of 1 ml or more that differ from all that lies near their mirrored place.

    Each voxel is compared with the darkest and the brightest of a neighbourhood of about 9 mm on
    the other side, so that uneven folds do not count; works on a 2.5 mm copy.
    """
    steps = tuple(max(1, round(2.5 / s)) for s in scan.work.spacing)
    factors = (steps[0], steps[1], steps[2])
    small = block_mean(scan.work.like(brain.level), factors)
    spacing = small.spacing
    inside = block_mean(scan.work.like(brain.inside.astype(np.float32)), factors).voxels > 0.9
    depth = distance_mm(~inside, spacing)
    soft = ndimage.gaussian_filter(small.voxels, [2.0 / s for s in spacing])
    moved = Plane(
        (
            plane.point[0] - (factors[0] - 1) / 2 * scan.work.spacing[0],
            plane.point[1] - (factors[1] - 1) / 2 * scan.work.spacing[1],
            plane.point[2] - (factors[2] - 1) / 2 * scan.work.spacing[2],
        ),
        plane.normal,
        plane.correlation,
    )
    size = [max(3, 2 * round(9.0 / s) + 1) for s in spacing]
    at = _mirror(soft.shape, spacing, moved)
    high = ndimage.map_coordinates(ndimage.maximum_filter(soft, size), at, order=1)
    low = ndimage.map_coordinates(ndimage.minimum_filter(soft, size), at, order=1)
    brain_values = soft[inside & (depth > 6)]
    if brain_values.size == 0:
        return ()
    middle = float(np.median(brain_values))
    spread = 1.4826 * float(np.median(np.abs(brain_values - middle))) + 1e-6
    excess = np.maximum(soft - high, low - soft) / np.float32(spread)
    hot = (excess > threshold * 0.35) & inside & (depth > 5.0)
    names, count = ndimage.label(hot)
    out = []
    for i in range(1, count + 1):
        part = names == i
        ml = float(part.sum()) * small.voxel_ml
        if ml < SMALLEST_ATYPICAL_ML or float(excess[part].max()) < threshold * 0.6:
            continue
        out.append(_region(part, ml, (soft - middle).astype(np.float32), excess, factors, scan))
    return tuple(sorted(out, key=lambda r: -r.ml))


def _region(
    part: BoolArray,
    ml: float,
    difference: Float32,
    excess: Float32,
    factors: tuple[int, int, int],
    scan: Scan,
) -> Atypical:
    mask = part
    for axis, factor in enumerate(factors):
        mask = np.repeat(mask, factor, axis=axis)
    mask = mask[tuple(slice(0, n) for n in scan.work.shape)]
    z, y, x = ndimage.center_of_mass(mask)
    brighter = float(difference[part].mean()) > 0
    return Atypical(mask, ml, (z, y, x), brighter, float(excess[part].mean()))


def far_from_surface(scan: Scan, brain: Brain, least_mm: float) -> BoolArray:
    """Return what lies at least so many mm within the skull."""
    out: BoolArray = depth_mm(brain, scan) > least_mm
    return out
