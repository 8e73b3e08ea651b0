# SPDX-License-Identifier: Apache-2.0
"""Where a lung field is denser than the other side and than normal films; never a disease.

Both lungs are unrolled on one grid: down the lung's height and from the ribs to the middle. There
the greys are compared with those of normal films (mean and spread; of children of 1 to 5 years,
there are no others) and with the other lung.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.volume import Array, BoolArray, FloatArray

DOWN, ACROSS = 48, 24
ZONES = ("upper", "middle", "lower")
ONE_SIDED, DENSER = 0.5, 2.0  # spreads above normal, and above the other side
DENSER_ELSE = 4.0  # the same at other ages: 2.0 marks more than half of normal adults
BOTH_SIDED = 3.5  # spreads above normal alone
LEAST_SHARE = 0.04  # of a lung field


@dataclass(frozen=True, eq=False, slots=True)
class Atlas:
    """Greys of normal lungs: ``mean`` and ``spread`` (2, DOWN, ACROSS), side of picture first."""

    mean: FloatArray
    spread: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class Opacities:
    """``score``: spreads above normal (SIDE, SIDE), NaN outside. ``marked``: bool (SIDE, SIDE).

    ``beside``: bool (SIDE, SIDE), marked as denser than the other lung (and than the mean of
    normal films); the other marked places are far denser than normal films alone.
    ``shares``: marked share of each zone, (2, 3), side of the picture by upper, middle, lower.
    """

    score: FloatArray
    marked: BoolArray
    beside: BoolArray
    shares: FloatArray

    def reported(self, field: BoolArray, side: int) -> bool:
        """Whether enough of a field is marked to be reported; ``side`` of the picture, 0 or 1."""
        total = float((self.marked & field).sum() / max(1, field.sum()))
        return total >= LEAST_SHARE and float(self.shares[side].max()) >= LEAST_SHARE


def _coordinates(field: BoolArray, *, mirrored: bool) -> tuple[Array, Array, Array, Array]:
    """Return rows, columns and grid places (down, across) of a field's pixels."""
    rows, columns = np.nonzero(field)
    used = np.flatnonzero(field.any(axis=1))
    first, last = field.argmax(axis=1), field.shape[1] - 1 - field[:, ::-1].argmax(axis=1)
    v = (rows - used[0]) / max(1, used[-1] - used[0])
    u = (columns - first[rows]) / np.maximum(1, last[rows] - first[rows])
    if mirrored:
        u = 1 - u
    down = np.minimum((v * DOWN).astype(int), DOWN - 1)
    across = np.minimum((u * ACROSS).astype(int), ACROSS - 1)
    return rows, columns, down, across


def unroll(pixels: Array, fields: LungFields) -> FloatArray:
    """Return the greys of both lungs on the grid (2, DOWN, ACROSS).

    0 is the dark tenth of both lungs, 1 the middle between them, so exposure drops out.
    """
    both = fields.both
    dark = float(np.percentile(pixels[both], 10))
    bright = _middle(pixels, fields)
    level = (ndimage.gaussian_filter(pixels.astype(np.float64), 1.5) - dark) / max(
        bright - dark, 0.05
    )
    out = np.full((2, DOWN, ACROSS), np.nan)
    for side, field in enumerate((fields.left_side, fields.right_side)):
        rows, columns, down, across = _coordinates(field, mirrored=side == 1)
        total = np.zeros((DOWN, ACROSS))
        count = np.zeros((DOWN, ACROSS))
        np.add.at(total, (down, across), level[rows, columns])
        np.add.at(count, (down, across), 1)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        out[side] = _filled(mean)
    return out


def _middle(pixels: Array, fields: LungFields) -> float:
    """Return the median grey between the two fields."""
    values = []
    for left, right, row in zip(fields.left_side, fields.right_side, pixels, strict=True):
        if left.any() and right.any():
            values.append(row[left.size - left[::-1].argmax() : right.argmax()])
    joined = np.concatenate(values) if values else np.empty(0)
    return float(np.median(joined)) if joined.size else float(pixels.max())


def _filled(grid: FloatArray) -> FloatArray:
    missing = np.isnan(grid)
    if missing.all() or not missing.any():
        return grid
    near = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    out: FloatArray = grid[tuple(near)]
    return out


def make_atlas(grids: FloatArray) -> Atlas:
    """Return mean and spread of unrolled normal lungs (n, 2, DOWN, ACROSS), smoothed."""
    smooth = (0, 2.0, 1.0)
    mean = ndimage.gaussian_filter(grids.mean(axis=0), smooth, mode="nearest")
    spread = ndimage.gaussian_filter(grids.std(axis=0), smooth, mode="nearest")
    return Atlas(mean, np.maximum(spread, 0.04))


def find_opacities(pixels: Array, fields: LungFields, atlas: Atlas, *, same_age: bool) -> Opacities:
    """Mark what is denser than normal and than the other side.

    ``same_age``: the patient is of the atlas's ages: also mark what is far denser than normal on
    both sides. At other ages only a larger difference between the two lungs is marked.
    """
    grid = unroll(pixels, fields)
    score = ndimage.gaussian_filter((grid - atlas.mean) / atlas.spread, (0, 2.0, 1.0))
    other = score[::-1]
    one_sided = (score > ONE_SIDED) & (score - other > (DENSER if same_age else DENSER_ELSE))
    flag = one_sided | (score > BOTH_SIDED) if same_age else one_sided
    square = np.full(pixels.shape, np.nan)
    marked, beside = np.zeros(pixels.shape, bool), np.zeros(pixels.shape, bool)
    shares = np.zeros((2, 3))
    for side, field in enumerate((fields.left_side, fields.right_side)):
        rows, columns, down, across = _coordinates(field, mirrored=side == 1)
        square[rows, columns] = score[side][down, across]
        patch = np.zeros(pixels.shape, bool)
        patch[rows, columns] = flag[side][down, across]
        patch = ndimage.binary_opening(patch, iterations=2) & field
        marked |= patch
        beside[rows, columns] |= one_sided[side][down, across] & patch[rows, columns]
        zone = np.minimum(down * 3 // DOWN, 2)
        for z in range(3):
            inside = zone == z
            shares[side, z] = patch[rows[inside], columns[inside]].mean() if inside.any() else 0.0
    return Opacities(square, marked, beside, shares)
