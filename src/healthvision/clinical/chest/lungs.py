# SPDX-License-Identifier: Apache-2.0
"""Lungs of a chest CT: threshold, airways, sides, closing (clinical notes, section 1)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.airways import Airways, find_airways
from healthvision.clinical.chest.grid import (
    block_factors,
    block_mean,
    bounding_box,
    close_mm,
    distance_mm,
    repeat_blocks,
)
from healthvision.clinical.volume import Array, BoolArray, Volume

LUNG_HU = -400.0
RIGHT, LEFT = 1, 2
CLOSING_MM = 10.0
DOME_MM2 = 600.0


@dataclass(frozen=True, eq=False, slots=True)
class Lungs:
    """Lungs of one CT in axial order.

    ``labels``: uint8 (z, y, x) of the full volume, 1 right, 2 left. ``coarse``: block means of
    about 2 mm (float32 HU) and ``coarse_labels`` on them. ``heart_shift_mm``: how far the soft
    tissue between the lungs reaches to the left (+) or right (-) of their middle.
    ``touching``: names of the stack's ends and sides that cut a lung.
    """

    labels: Array
    right_ml: float
    left_ml: float
    coarse: Volume
    coarse_labels: Array
    body: BoolArray
    factors: tuple[int, int, int]
    airways: Airways | None
    heart_shift_mm: float | None
    touching: tuple[str, ...]

    @property
    def total_ml(self) -> float:
        """Volume of both lungs in mL."""
        return self.right_ml + self.left_ml


def _body(coarse: Volume) -> BoolArray:
    """Return the patient: the largest thing denser than -400 HU, its holes filled in plane."""
    dense = coarse.voxels > LUNG_HU
    labels, count = ndimage.label(ndimage.binary_erosion(dense))
    if count == 0:
        return np.zeros(coarse.shape, bool)
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    body = ndimage.binary_dilation(labels == largest, iterations=2)
    return np.stack([ndimage.binary_fill_holes(s) for s in body]).astype(bool)


def _split(mask: BoolArray, spacing: tuple[float, float, float]) -> list[BoolArray]:
    """Part lungs that touch each other: erode until two large pieces are left, then regrow."""
    total = np.count_nonzero(mask)
    inside = distance_mm(~mask, spacing)
    for radius in (1.5, 3.0, 5.0, 8.0, 12.0):
        labels, count = ndimage.label(inside > radius)
        sizes = np.bincount(labels.ravel(), minlength=3)[1:]
        big = np.argsort(sizes)[::-1][:2]
        if count >= 2 and sizes[big[1]] > 0.08 * total:
            first, second = (distance_mm(labels == i + 1, spacing) for i in big)
            return [mask & (first <= second), mask & (first > second)]
    return [mask]


def _parts(air: BoolArray, spacing: tuple[float, float, float], voxel_ml: float) -> list[BoolArray]:
    """Return one or two masks of lungs, each of at least 150 mL."""
    labels, _ = ndimage.label(air)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    order = np.argsort(sizes)[::-1][:2]
    big = [labels == i for i in order if sizes[i] * voxel_ml > 150.0]
    if not big:
        return []
    wide = np.flatnonzero(big[0].any(axis=(0, 1)))
    alone = len(big) == 1 or sizes[order[1]] < 0.12 * sizes[order[0]]
    # Both lungs in one piece: nothing of the body's width is left for the other.
    if alone and (wide[-1] - wide[0]) * spacing[2] > 190.0:
        return _split(big[0], spacing)
    return big


def _domes(holes: BoolArray, filled: BoolArray, spacing: tuple[float, float, float]) -> BoolArray:
    """Return the holes of sections that are the tops of the diaphragm, ringed by lung.

    ``holes``, ``filled``: bool (z, y, x), feet first. A dome is large, widest at its lowest
    section, and goes on below it; a mass or vessel in the lung is not all of that.
    """
    _, sy, sx = spacing
    out = np.zeros_like(holes)
    labels, count = ndimage.label(holes)
    for number, box in enumerate(ndimage.find_objects(labels, count), start=1):
        piece = labels[box] == number
        areas = piece.sum(axis=(1, 2)) * sy * sx
        lowest = box[0].start
        if areas.max() < DOME_MM2 or areas[0] < 0.9 * areas.max() or lowest == 0:
            continue
        below = ~filled[lowest - 1][box[1:]]
        if np.count_nonzero(below & piece[0]) > 0.9 * np.count_nonzero(piece[0]):
            out[box] |= piece
    return out


def _fill(part: BoolArray, spacing: tuple[float, float, float]) -> BoolArray:
    box = bounding_box(part)
    closed = close_mm(part[box], spacing, CLOSING_MM)
    filled = np.stack([ndimage.binary_fill_holes(s) for s in closed])
    closed = filled & ~_domes(filled & ~closed, filled, spacing)
    out = np.zeros_like(part)
    out[box] = ndimage.binary_fill_holes(closed)
    return out


def _coarse_labels(
    parts: list[BoolArray], air: BoolArray, airway: BoolArray, coarse: Volume
) -> Array:
    """Name the sides by LPS position and settle voxels that both lungs claim."""
    middle_x = [coarse.to_lps([float(c.mean()) for c in np.nonzero(p)])[0] for p in parts]
    body_x = coarse.to_lps([(n - 1) / 2 for n in coarse.shape])[0]
    labels = np.zeros(coarse.shape, np.uint8)
    filled = [_fill(p, coarse.spacing) & ~airway for p in parts]
    if len(parts) == 1:
        labels[filled[0]] = LEFT if middle_x[0] > body_x else RIGHT
        return labels
    left = int(middle_x[1] > middle_x[0])
    labels[filled[1 - left]] = RIGHT
    both = filled[0] & filled[1]
    labels[filled[left] & ~both] = LEFT
    if both.any():
        near = distance_mm(parts[left], coarse.spacing) < distance_mm(
            parts[1 - left], coarse.spacing
        )
        labels[both & near] = LEFT
    return labels


def _refine(
    volume: Volume,
    coarse_labels: Array,
    air: BoolArray,
    factors: tuple[int, int, int],
    airway: BoolArray,
) -> Array:
    """Redraw the border of the lungs at full resolution; filled-in parts keep the coarse border."""
    inside = coarse_labels > 0
    core = ndimage.binary_erosion(inside, iterations=1)
    added = inside & ~ndimage.binary_dilation(air & inside)
    sure = core | added
    band = ndimage.binary_dilation(inside, iterations=1) & ~sure & ~airway
    side = coarse_labels.copy()
    if band.any():
        grown = ndimage.maximum_filter(coarse_labels, size=3)
        side[band & ~inside] = grown[band & ~inside]
    out = np.zeros(volume.shape, np.uint8)
    fz = factors[0]
    for k in range(side.shape[0]):
        if not inside[max(0, k - 1) : k + 2].any():
            continue
        stop = min((k + 1) * fz, volume.shape[0])
        shape = (stop - k * fz, *volume.shape[1:])
        block = slice(k, k + 1)
        voxels = volume.voxels[k * fz : stop]
        keep = repeat_blocks(sure[block], factors, shape) | (
            repeat_blocks(band[block], factors, shape) & (voxels < LUNG_HU)
        )
        out[k * fz : stop] = repeat_blocks(side[block], factors, shape) * keep
    return out


def _heart_shift(coarse: Volume, labels: Array) -> float | None:
    """Return how far the middle of the tissue between the lungs lies to the left, in mm.

    Looks at the lower half of the lungs, in front: that is the heart.
    """
    right, left = labels == RIGHT, labels == LEFT
    if not (right.any() and left.any()):
        return None
    zs = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    low, high = zs[0] + len(zs) // 6, zs[0] + len(zs) // 2
    ys = np.flatnonzero((labels > 0).any(axis=(0, 2)))
    front = slice(int(ys[0]), int(ys[0] + 0.6 * len(ys)))
    shifts = []
    for k in range(low, high):
        r_wall = np.flatnonzero(right[k].any(axis=0))
        l_wall = np.flatnonzero(left[k].any(axis=0))
        if not len(r_wall) or not len(l_wall):
            continue
        middle = (r_wall[0] + l_wall[-1]) / 2
        r_in = [np.flatnonzero(row)[-1] for row in right[k, front] if row.any()]
        l_in = [np.flatnonzero(row)[0] for row in left[k, front] if row.any()]
        if r_in and l_in:
            shifts.append(((np.mean(r_in) + np.mean(l_in)) / 2 - middle) * coarse.spacing[2])
    return float(np.median(shifts)) if shifts else None


def _touching(coarse: Volume, labels: Array, body: BoolArray) -> tuple[str, ...]:
    """Name the ends that cut more than 12 cm2 of lung and the sides with lung-like edges.

    A side counts only where the body itself reaches it, so a table does not.
    """
    sz, sy, sx = coarse.spacing
    out = []
    for name, section in (("bottom", labels[0]), ("top", labels[-1])):
        if np.count_nonzero(section) * sy * sx > 1200:
            out.append(name)
    voxels = coarse.voxels
    sides = {
        "front": (voxels[:, 0], body[:, 0], sx),
        "back": (voxels[:, -1], body[:, -1], sx),
        "right": (voxels[:, :, 0], body[:, :, 0], sy),
        "left": (voxels[:, :, -1], body[:, :, -1], sy),
    }
    for name, (face, tissue, step) in sides.items():
        like_lung = ndimage.binary_opening((face > -940) & (face < -600), iterations=2)
        if min(np.count_nonzero(like_lung), np.count_nonzero(tissue)) * sz * step > 1500:
            out.append(name)
    return tuple(out)


def find_lungs(volume: Volume) -> Lungs | None:
    """Segment the lungs of a CT in axial order (HU); None when there is nothing like a lung."""
    factors = block_factors(volume.spacing, 2.0)
    coarse = block_mean(volume, factors)
    body = _body(coarse)
    air = (coarse.voxels < LUNG_HU) & body
    airways = find_airways(coarse, air, body)
    airway = np.zeros(coarse.shape, bool)
    if airways is not None:
        airway = ndimage.binary_dilation(airways.mask)
    parts = _parts(air & ~airway, coarse.spacing, coarse.voxel_ml)
    if not parts:
        return None
    coarse_labels = _coarse_labels(parts, air, airway, coarse)
    labels = _refine(volume, coarse_labels, air, factors, airway)
    counts = np.bincount(labels.ravel(), minlength=3)
    return Lungs(
        labels=labels,
        right_ml=float(counts[RIGHT]) * volume.voxel_ml,
        left_ml=float(counts[LEFT]) * volume.voxel_ml,
        coarse=coarse,
        coarse_labels=coarse_labels,
        body=body,
        factors=factors,
        airways=airways,
        heart_shift_mm=_heart_shift(coarse, coarse_labels),
        touching=_touching(coarse, coarse_labels, body),
    )
