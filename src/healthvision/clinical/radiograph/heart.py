# SPDX-License-Identifier: Apache-2.0
"""Edges of the heart on a frontal film and the cardiothoracic ratio.

The lung fields include the lung before and behind the heart, so the heart's edge is looked for
inside them: in each row the place where the dark lung turns bright towards the middle, joined
from row to row by a shortest path.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.volume import Array, BoolArray, FloatArray

UPPER, UPPER_LEFT_SIDE = 0.6, 0.75  # of the way from apex to dome: the border is sought below;
# on the picture's left the hilum reaches further down
CUT, EDGE_WEIGHT, FOOT = 0.4, 8.0, 0.35  # chosen on phantom seeds 6000-6007
DOME = 0.5  # of the way from lung to mediastinum: brighter is belly, not lung
HEART = 92.5  # percentile of a row of the field: as bright as the heart in it, darker than spine
BACK, AHEAD, TURN = 16, 4, 0.5  # rows, rows, columns a row: a border that turns out ends there
ABOVE = 4  # rows above the field's lower outline a border ends: below is diaphragm
BEND = 0.1  # cost of moving a column from row to row
MOST_SPREAD, LEAST, LARGEST = 0.08, 0.3, 0.72  # other answers are no measurement
ERROR = 0.06  # 64 of 68 real films read by eye are within it; see the evidence record


@dataclass(frozen=True, eq=False, slots=True)
class Edge:
    """One border: ``rows`` and ``columns`` (n,) in the frame; ``contrast``: grey step, 0..1."""

    rows: Array
    columns: FloatArray
    contrast: float


@dataclass(frozen=True, eq=False, slots=True)
class Heart:
    """Widths in pixels of the frame; ``ratio`` with ``low``..``high``.

    ``left_side``, ``right_side``: the edge on that side of the picture. ``heart``: columns of the
    two widest places; ``thorax``: row and columns of the widest inner chest.
    """

    left_side: Edge
    right_side: Edge
    heart: tuple[float, float]
    heart_rows: tuple[int, int]
    thorax: tuple[float, float]
    thorax_row: int
    ratio: float
    low: float
    high: float


def _path(gain: FloatArray, allowed: BoolArray, *, step: int = 2) -> Array:
    """Return per row the column of the path of highest total gain, moving at most ``step``."""
    worst = -1e6
    gain = np.where(allowed, gain, worst)
    total = gain.copy()
    back = np.zeros(gain.shape, np.int64)
    width = gain.shape[1]
    for r in range(1, len(gain)):
        best = np.full(width, -np.inf)
        for d in range(-step, step + 1):
            moved = np.full(width, -np.inf)
            source = slice(max(0, -d), width - max(0, d))
            target = slice(max(0, d), width - max(0, -d))
            moved[target] = total[r - 1][source] - BEND * abs(d)
            better = moved > best
            best = np.where(better, moved, best)
            back[r] = np.where(better, -d, back[r])
        total[r] += best
    columns = np.zeros(len(gain), np.int64)
    columns[-1] = int(np.argmax(total[-1]))
    for r in range(len(gain) - 1, 0, -1):
        columns[r - 1] = columns[r] + back[r][columns[r]]
    return columns


def _edge(pixels: Array, fields: LungFields, *, inward: int, sigma: float) -> Edge | None:
    """Return the heart's border in one field; ``inward``: +1 when the middle is to the right.

    In each row a border divides the field into lung (below the cut between the levels of lung
    and mediastinum) and heart (above it); the best division with a visible step wins.
    """
    field = fields.left_side if inward > 0 else fields.right_side
    rows = np.flatnonzero(field.any(axis=1))
    smooth = ndimage.gaussian_filter(pixels.astype(np.float64), (2.5 * sigma, sigma))
    whole = _cut(smooth, fields, field, rows, DOME)
    dark = np.zeros(field.shape, bool)
    dark[rows] = field[rows] & (smooth[rows] < np.median(whole))
    span, least = _span(field, dark, inward)
    if least < 8:
        return None
    step = ndimage.gaussian_filter1d(smooth, sigma, axis=1, order=1)[span] * inward
    cut = _cut(smooth, fields, field, span, CUT)
    gain = np.zeros(step.shape)
    allowed = np.zeros(step.shape, bool)
    over = max(2, int(field.sum(axis=1).max()) // 12)
    for i, r in enumerate(span):
        columns = np.flatnonzero(field[r])
        if len(columns) < 8:
            columns = np.flatnonzero(field[rows[np.argmin(abs(rows - r))]])
        first, last = int(columns[0]), int(columns[-1])
        start, end = (first, last + over) if inward > 0 else (max(0, first - over), last)
        part = smooth[r, start : end + 1] - cut[i]
        if inward < 0:
            part = part[::-1]
        score = _division(np.clip(part, -0.15, 0.15))
        margin = max(3, (end - start) // 8)
        score[:margin] = -1e6
        gain[i, start : end + 1] = score if inward > 0 else score[::-1]
        allowed[i, start : end + 1] = (score if inward > 0 else score[::-1]) > -1e5
    gain += EDGE_WEIGHT * step
    columns = _path(gain, allowed)
    end = _end(-inward * columns, span, _floor(field)[columns], least=least, inward=inward)
    span, columns, step = span[:end], columns[:end], step[:end]
    contrast = float(np.median(step[np.arange(len(span)), columns]) * 2 * sigma)
    feet = np.array([_foot(smooth[r], int(c), inward) for r, c in zip(span, columns, strict=True)])
    return Edge(span, ndimage.median_filter(feet, 5, mode="nearest"), contrast)


def _foot(profile: FloatArray, column: int, inward: int) -> float:
    """Return where the rise towards the heart begins, walking outwards from a border.

    The heart is thin at its edge, so its shadow begins before the steepest place.
    """
    reach = 14
    walk = column - inward * np.arange(reach + 1)
    walk = walk[(walk >= 0) & (walk < len(profile))]
    ahead = column + inward * np.arange(1, 7)
    ahead = ahead[(ahead >= 0) & (ahead < len(profile))]
    if not len(ahead):  # at the edge of the picture
        return float(column)
    outward = profile[walk]
    falling = np.flatnonzero(np.diff(outward) >= 0)
    lowest = int(falling[0]) if len(falling) else len(outward) - 1
    bottom, top = outward[lowest], float(profile[ahead].max())
    level = bottom + FOOT * max(top - bottom, 1e-6)
    for i in range(1, lowest + 1):
        if outward[i] <= level:
            share = (outward[i - 1] - level) / max(outward[i - 1] - outward[i], 1e-9)
            return float(column - inward * (i - 1 + min(1.0, max(0.0, share))))
    return float(column - inward * lowest)


def _floor(field: BoolArray) -> Array:
    """Return the lowest row of the field per column, the last row where it has none."""
    floor = field.shape[0] - 1 - field[::-1].argmax(axis=0)
    out: Array = np.where(field.any(axis=0), floor, field.shape[0])
    return out


def _end(out: Array, span: Array, floor: Array, *, least: int, inward: int) -> int:
    """Return how many rows of a path are the heart's border.

    ``out``: columns, growing away from the heart. ``floor``: lowest row of the field in each of
    those columns. It ends where it meets the diaphragm: at the outline of the field, or where
    it turns outwards, in the rows from ``least`` (of the picture's left: 0.6 of them) on.
    """
    smooth = ndimage.gaussian_filter1d(out.astype(np.float64), 1.5, mode="nearest")
    under = np.flatnonzero(span > floor - ABOVE)
    under = under[under >= max(8, least // 2)]
    last = int(under[0]) if len(under) else len(span)
    for i in range(max(8, round(0.6 * least) if inward > 0 else least), last):
        rows, more = min(i, BACK), min(AHEAD, len(span) - 1 - i)
        before = (smooth[i] - smooth[i - rows]) / rows
        if more and (smooth[i + more] - smooth[i]) / more > max(before, 0.0) + TURN:
            return i
    return last


def _span(field: BoolArray, dark: BoolArray, inward: int) -> tuple[Array, int]:
    """Return the rows of the heart's border, and how many of them are above the dome.

    The dome is the highest place of the field's lower border away from both of its sides, or
    where the outer half of the lung stops being dark: lung behind the dome is part of a field,
    but so is a large heart. So on the picture's right, where the apex lies, rows further down
    are given too. ``dark``: bool, pixels of the field that look like lung.
    """
    rows = np.flatnonzero(field.any(axis=1))
    top, height = int(rows[0]), int(rows[-1] - rows[0] + 1)
    columns = np.flatnonzero(field.any(axis=0))
    if inward < 0:
        columns = columns[::-1]  # from the ribs to the middle
    n = len(columns)
    inner, outer = columns[n // 5 : max(1, 4 * n // 5)], columns[n // 5 : max(1, 3 * n // 5)]
    below = field.shape[0] - 1 - field[::-1, inner].argmax(axis=0)
    last = field.shape[0] - 1 - dark[::-1, outer].argmax(axis=0)
    lowest = min(int(np.percentile(below, 5)), int(np.percentile(last, 20)))
    dome = max(lowest, top + round(0.6 * height))
    first = top + round((UPPER_LEFT_SIDE if inward > 0 else UPPER) * (dome - top))
    deepest = dome
    if inward < 0:
        deepest = max(dome, min(int(np.percentile(below, 40)), int(last.max())))
    return np.arange(first, deepest + 1), dome + 1 - first


def _division(part: FloatArray) -> FloatArray:
    """Return for each place what dividing there gains: dark before it, bright from it on."""
    before = np.concatenate([[0.0], np.cumsum(-part)[:-1]])
    after = np.cumsum(part[::-1])[::-1]
    out: FloatArray = before + after
    return out


def _cut(
    smooth: FloatArray, fields: LungFields, field: BoolArray, span: Array, share: float
) -> FloatArray:
    """Return per row the grey between lung and heart, smooth from row to row.

    The heart is as bright as the middle of the chest; in the field that holds its apex no
    brighter than the brightest of a row, for on many films the spine is brighter than the heart.
    """
    lung, middle = [], []
    for r in span:
        inside = smooth[r][field[r]]
        lung.append(np.percentile(inside, 25) if len(inside) else np.nan)
        left, right = (np.flatnonzero(m[r]) for m in (fields.left_side, fields.right_side))
        gap = smooth[r, left[-1] + 1 : right[0]] if len(left) and len(right) else np.empty(0)
        between = float(np.median(gap)) if len(gap) else np.nan
        if len(inside) and field is fields.right_side:
            between = float(np.fmin(between, np.percentile(inside, HEART)))
        middle.append(between)
    low, high = (_level(np.array(v, float)) for v in (lung, middle))
    out: FloatArray = low + share * np.clip(high - low, 0.05, None)
    return out


def _level(values: FloatArray) -> FloatArray:
    known = np.flatnonzero(np.isfinite(values))
    if len(known) == 0:
        return np.full(values.shape, 0.5)
    filled = np.interp(np.arange(len(values)), known, values[known])
    out: FloatArray = ndimage.gaussian_filter1d(filled, 6.0)
    return out


def _thorax(fields: LungFields) -> tuple[float, float, int]:
    both = fields.both
    rows = np.flatnonzero(fields.left_side.any(axis=1) & fields.right_side.any(axis=1))
    first = both[rows].argmax(axis=1)
    last = both.shape[1] - 1 - both[rows][:, ::-1].argmax(axis=1)
    widest = int(np.argmax(last - first))
    return float(first[widest]) - 0.5, float(last[widest]) + 0.5, int(rows[widest])


def measure_heart(pixels: Array, fields: LungFields) -> Heart | None:
    """Return heart edges and the ratio; None when a border does not show or is unsure.

    ``pixels``: float (SIDE, SIDE), dense is bright, upright, as the fields. The interval spans
    the answers at three scales of smoothing, widened by the error seen on real films.
    """
    if not (fields.left_side.any(axis=1) & fields.right_side.any(axis=1)).any():
        return None
    start, end, row = _thorax(fields)
    found = []
    for sigma in (1.6, 1.2, 2.2):
        left = _edge(pixels, fields, inward=1, sigma=sigma)
        right = _edge(pixels, fields, inward=-1, sigma=sigma)
        if left is None or right is None:
            return None
        found.append((left, right))
    ratios = [_ratio(a, b, end - start) for a, b in found]
    left, right = found[0]
    low, high = min(ratios) - ERROR, max(ratios) + ERROR
    if max(ratios) - min(ratios) > MOST_SPREAD or not LEAST < ratios[0] < LARGEST:
        return None
    i = int(np.argmin(abs(left.columns - _leftmost(left))))
    j = int(np.argmax(right.columns))
    return Heart(
        left,
        right,
        (float(left.columns[i]), float(right.columns[j])),
        (int(left.rows[i]), int(right.rows[j])),
        (start, end),
        row,
        ratios[0],
        low,
        high,
    )


def _leftmost(edge: Edge) -> float:
    """Return the widest place on the picture's left; the upper end may still be the hilum."""
    return float(np.percentile(edge.columns, 10))


def _ratio(left: Edge, right: Edge, thorax: float) -> float:
    return float((right.columns.max() - _leftmost(left)) / thorax)
