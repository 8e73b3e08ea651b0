# SPDX-License-Identifier: Apache-2.0
"""Find the brain in a head scan of any contrast: threshold, opening, reconstruction, hull.

The outside of the brain is dark in every sequence (skull; on T1 and FLAIR also the fluid), so
tissue is what is bright and, after a thinning, hangs together at the middle of the head.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.brain.scan import Scan, level_bias, middle
from healthvision.clinical.chest.grid import (
    Float32,
    block_factors,
    block_mean,
    close_mm,
    distance_mm,
    repeat_blocks,
)
from healthvision.clinical.volume import BoolArray, FloatArray

SMALLEST_ML, LARGEST_ML = 700.0, 2000.0
COARSE_MM = 2.0
LOWEST_MM = 160.0  # below the crown lies no brain any more, but spinal cord
RADII_MM = (3.0, 4.0, 5.0, 6.0, 7.5, 9.0)


@dataclass(frozen=True, eq=False, slots=True)
class Brain:
    """``mask``: bool brain with the fluid of its folds and ventricles; ``inside``: all within the
    skull as far as the scan shows it. ``level``: float32 voxels without the coil field; white
    matter, grey matter and fluid have constant levels. ``ml``: of ``mask``. All of ``Scan.work``.
    ``radius_mm``: thinning that parted brain from the rest; ``agreement``: Dice of the masks of
    this and the next thinning, a measure of trust.
    """

    mask: BoolArray
    inside: BoolArray
    level: Float32
    ml: float
    radius_mm: float
    agreement: float


def extract_brain(scan: Scan) -> Brain | None:
    """Find the brain; None when nothing of a brain's size and place hangs together."""
    coarse = _coarse(scan)
    level = level_bias(coarse.work, coarse.head)
    masks: list[tuple[float, BoolArray]] = []
    for radius in RADII_MM:
        mask = _candidate(level, coarse, radius)
        if mask is not None and _plausible(mask, coarse):
            masks.append((radius, mask))
        if len(masks) == 2:
            break
    if not masks:
        return None
    radius, first = masks[0]
    agreement = dice(first, masks[1][1]) if len(masks) > 1 else 0.0
    fine = _refined(first, coarse.factors, scan)
    level = level_bias(scan.work, fine)
    inside = _within_skull(level, fine, scan)
    tissue = inside & (level > 0.6 * float(np.median(level[fine])))
    fine = close_mm(fine | tissue, scan.work.spacing, 4.0) & inside  # the thinned-off cortex
    ml = float(fine.sum()) * scan.work.voxel_ml
    return Brain(fine, inside, level, ml, radius, agreement)


def _coarse(scan: Scan) -> Scan:
    """Return the scan on blocks of about 2 mm; ``factors`` count voxels of the finer grid."""
    factors = block_factors(scan.work.spacing, COARSE_MM)
    small = block_mean(scan.work, factors)
    share = block_mean(scan.work.like(scan.head.astype(np.float32)), factors)
    return Scan(scan.oriented, small, factors, share.voxels > 0.5)


def _refined(mask: BoolArray, factors: tuple[int, int, int], scan: Scan) -> BoolArray:
    """Return a coarse mask on the working grid with a smooth surface."""
    if factors == (1, 1, 1):
        return mask
    blocks = repeat_blocks(mask.astype(np.float32), factors, scan.work.shape)
    out: BoolArray = ndimage.gaussian_filter(blocks, [f / 2 for f in factors]) > 0.5
    return out


def _plausible(mask: BoolArray, scan: Scan) -> bool:
    ml = float(mask.sum()) * scan.work.voxel_ml
    return SMALLEST_ML <= ml <= LARGEST_ML and _compact(mask, scan.work.spacing)


def dice(a: BoolArray, b: BoolArray) -> float:
    """Return the overlap of two masks, 0..1; 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * float(np.count_nonzero(a & b)) / total


def _candidate(level: Float32, scan: Scan, radius: float) -> BoolArray | None:
    """Threshold, thin by ``radius`` mm, keep the central piece, grow it back, fill."""
    spacing = scan.work.spacing
    centre = middle(scan.head, spacing)
    tissue = _tissue(level, centre, spacing)
    lowest = int(centre[0] - (LOWEST_MM - 75.0) / spacing[0])
    tissue[: max(0, lowest)] = False
    deep = distance_mm(~tissue, spacing) > radius
    names, count = ndimage.label(deep)
    if count == 0:
        return None
    ball = names[_ball(names.shape, centre, spacing, 40.0)]
    sizes = np.bincount(ball, minlength=count + 1)[1:]
    if sizes.max() == 0:
        return None
    found = int(np.argmax(sizes)) + 1
    core: BoolArray = names == found
    grown: BoolArray = (distance_mm(core, spacing) <= radius + 0.6) & tissue
    filled = close_mm(grown, spacing, 6.0)
    out: BoolArray = _fill(filled)
    return out


def _ball(
    shape: tuple[int, ...], centre: FloatArray, spacing: tuple[float, float, float], radius: float
) -> BoolArray:
    z, y, x = (
        ((np.arange(n) - c) * s) ** 2 for n, c, s in zip(shape, centre, spacing, strict=True)
    )
    out: BoolArray = z[:, None, None] + y[None, :, None] + x[None, None, :] < radius**2
    return out


def _tissue(level: Float32, centre: FloatArray, spacing: tuple[float, float, float]) -> BoolArray:
    """Return what is brighter than bone (on T1 and FLAIR also than fluid) but no bright fat.

    The typical level is that of the middle of the brain, whatever the contrast.
    """
    typical = float(np.median(level[_ball(level.shape, centre, spacing, 45.0)]))
    out: BoolArray = (level > 0.6 * typical) & (level < 2.6 * typical)
    return out


def _fill(mask: BoolArray) -> BoolArray:
    out = mask.copy()
    for k in range(out.shape[0]):
        out[k] = ndimage.binary_fill_holes(out[k])
    filled: BoolArray = ndimage.binary_fill_holes(out)
    return filled


def _compact(mask: BoolArray, spacing: tuple[float, float, float]) -> bool:
    """Say whether a mask has the extent and the fullness of a brain."""
    where = np.argwhere(mask)
    sides = (np.ptp(where, axis=0) + 1) * np.array(spacing)
    full = float(mask.sum()) / max(float(np.prod(sides / np.array(spacing))), 1.0)
    return bool(sides[1] < 215 and sides[2] < 175 and sides[0] < 190 and full > 0.25)


def _within_skull(level: Float32, mask: BoolArray, scan: Scan) -> BoolArray:
    """Grow the brain through fluid to the skull, at most 6 mm, and smooth the outside.

    Bone gives no signal; fluid gives at least a little on every sequence. The border is where the
    signal falls to the middle between the darkest voxels around the brain and the fluid inside.
    """
    spacing = scan.work.spacing
    soft = ndimage.gaussian_filter(level, [0.5 / s for s in spacing])
    rim = mask & (distance_mm(~mask, spacing) < 3.5)
    edge = float(np.percentile(soft[rim], 75))
    if edge > 1.25 * float(np.median(level[mask])):  # bright fluid beside bone
        return close_mm(mask & (~rim | (soft > 0.5 * edge)), spacing, 6.0)
    hull = close_mm(mask, spacing, 12.0)
    ring = (distance_mm(hull, spacing) <= 7.0) & ~hull
    if not ring.any():
        return hull
    bone = float(np.percentile(soft[ring], 8))
    fluid = float(np.percentile(soft[mask], 3))
    if fluid - bone < 0.04:
        return hull
    near = ring & (soft > (bone + fluid) / 2) & (soft < 3.0 * float(np.median(level[mask])))
    grown = hull | near
    deep = distance_mm(~grown, spacing) > 2.5
    names, count = ndimage.label(deep)
    if count == 0:
        return hull
    keep = int(np.argmax(np.bincount(names.ravel())[1:])) + 1
    opened = (distance_mm(names == keep, spacing) <= 2.5) & grown
    out: BoolArray = close_mm(opened | mask, spacing, 6.0)
    return out
