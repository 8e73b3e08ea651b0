# SPDX-License-Identifier: Apache-2.0
"""Ventricles as the fluid at the middle of the brain, and the Evans index with its two lines.

Evans index: greatest width of the frontal horns over the greatest inner width of the skull on the
same section; above 0.30 the ventricles count as wide (Evans 1942; clinical notes 3.11).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.brain.extraction import Brain
from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.brain.tissues import Tissues, depth_mm
from healthvision.clinical.chest.grid import Float32, distance_mm
from healthvision.clinical.volume import BoolArray

ASIDE = 0.28  # share of the brain's width on each side in which no ventricle is looked for
_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = True


@dataclass(frozen=True, slots=True)
class EvansIndex:
    """``section``, ``row``: index (z, y) of the horns in ``Scan.work``; widths in mm.

    ``columns``: x index of the ends of the horns' line; ``skull_row`` and ``skull_columns``: of
    the skull's line.
    """

    value: float
    horns_mm: float
    skull_mm: float
    section: int
    row: int
    columns: tuple[float, float]
    skull_row: int
    skull_columns: tuple[float, float]


@dataclass(frozen=True, eq=False, slots=True)
class Ventricles:
    """``mask``: bool of ``Scan.work``; ``evans`` is None when no frontal horns were recognised."""

    mask: BoolArray
    ml: float
    evans: EvansIndex | None


def measure_ventricles(scan: Scan, brain: Brain, tissues: Tissues) -> Ventricles | None:
    """Return the ventricles; None when there is no fluid in the middle of the brain."""
    spacing = scan.work.spacing
    fluid = tissues.fluid > 0.5
    names, count = ndimage.label(fluid & (depth_mm(brain, scan) > 19.0))
    if count == 0:
        return None
    room = _middle_room(brain, scan, ASIDE)
    sizes = np.bincount(names.ravel(), minlength=count + 1)
    within = np.bincount(names[_middle_room(brain, scan, 0.34)], minlength=count + 1)
    good = (sizes * scan.work.voxel_ml >= 0.15) & (within > 0.4 * sizes)
    good[0] = False
    seed = good[names]
    if not seed.any():
        return None
    mask: BoolArray = fluid & room & (distance_mm(seed, spacing) <= 2.0 * max(spacing))
    ml = float(tissues.fluid[ndimage.binary_dilation(mask)].sum()) * scan.work.voxel_ml
    return Ventricles(mask, ml, _evans(scan, brain, tissues.fluid, mask))


def _middle_room(brain: Brain, scan: Scan, aside: float) -> BoolArray:
    """Return where ventricles may lie: ``aside`` of the brain's width is left out on each side."""
    box = ndimage.find_objects(brain.inside.astype(np.uint8))[0]
    top, spacing = box[0].stop, scan.work.spacing
    low = max(box[0].start, round(top - 105 / spacing[0]))
    high = round(top - 32 / spacing[0])
    y0, y1, x0, x1 = box[1].start, box[1].stop, box[2].start, box[2].stop
    out = np.zeros(brain.inside.shape, bool)
    out[
        low:high,
        round(y0 + 0.16 * (y1 - y0)) : round(y1 - 0.14 * (y1 - y0)),
        round(x0 + aside * (x1 - x0)) : round(x1 - aside * (x1 - x0)),
    ] = True
    return out & brain.inside


def _ends(profile: Float32, at_least: float = 0.5) -> tuple[float, float] | None:
    """Return the outer crossings of a level along a line, between voxels; None without any."""
    hit = np.flatnonzero(profile >= at_least)
    if len(hit) == 0:
        return None
    first, last = int(hit[0]), int(hit[-1])
    low, high = float(first), float(last)
    if first > 0:
        a, b = float(profile[first - 1]), float(profile[first])
        low = first - 1 + (at_least - a) / max(b - a, 1e-6)
    if last < len(profile) - 1:
        a, b = float(profile[last]), float(profile[last + 1])
        high = last + (a - at_least) / max(a - b, 1e-6)
    return low, high


def _beside_middle(mask: BoolArray, brain: Brain, scan: Scan) -> BoolArray:
    """Keep, section by section, the pieces that come within 12 mm of the middle."""
    x = np.flatnonzero(brain.inside.any(axis=(0, 1)))
    middle, reach = (x[0] + x[-1]) / 2, 12.0 / scan.work.spacing[2]
    names, count = ndimage.label(mask, structure=_IN_PLANE)
    near = slice(max(0, round(middle - reach)), round(middle + reach) + 1)
    good = np.zeros(count + 1, bool)
    good[np.unique(names[:, :, near])] = True
    good[0] = False
    out: BoolArray = good[names]
    return out


def _evans(scan: Scan, brain: Brain, fluid: Float32, mask: BoolArray) -> EvansIndex | None:
    step = scan.work.spacing[2]
    rows = np.flatnonzero(mask.any(axis=(0, 2)))
    front = rows[0] + round(0.30 * (rows[-1] - rows[0]))
    horns = _beside_middle(mask, brain, scan)
    soft = np.where(ndimage.binary_dilation(horns), fluid, np.float32(0))
    best: tuple[float, int, int, tuple[float, float]] | None = None
    for z, y in np.argwhere(horns[:, :front].any(axis=2)):
        ends = _ends(soft[z, y])
        if ends is not None and (best is None or ends[1] - ends[0] > best[0]):
            best = (ends[1] - ends[0], int(z), int(y), ends)
    if best is None:
        return None
    width, section, row, columns = best
    limits = np.flatnonzero(_middle_room(brain, scan, ASIDE).any(axis=(0, 1)))
    if columns[0] < limits[0] + 1 or columns[1] > limits[-1] - 1:
        return None  # the fluid runs on into the folds of the side: no frontal horns
    inner = ndimage.gaussian_filter(brain.inside[section].astype(np.float32), 0.7)
    lines = [(y, _ends(inner[y])) for y in range(inner.shape[0])]
    found = [(e[1] - e[0], y, e) for y, e in lines if e is not None]
    if not found:
        return None
    skull, skull_row, skull_columns = max(found)
    return EvansIndex(
        width / skull,
        width * step,
        skull * step,
        section,
        row,
        columns,
        skull_row,
        skull_columns,
    )
