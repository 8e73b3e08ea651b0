# SPDX-License-Identifier: Apache-2.0
"""Both lungs laid flat: each lung field stretched to one rectangle, and the way back to the film.

A network that is given the rectangles sees almost nothing outside the lung fields (notches and
rims of a field lie in its rectangle), and neither their size nor place and little of their
outline: these differ between groups of films for reasons other than disease.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.volume import Array, BoolArray, FloatArray

ROWS, COLUMNS = 96, 64
SMOOTH = 2.0  # rows, of the fields' borders


@dataclass(frozen=True, eq=False, slots=True)
class Sheet:
    """``greys``: float32 (2, ROWS, COLUMNS), 0 and 1 the 5th and 95th percentile of both lungs.

    First the lung on the picture's left. Rows run from apex to base, columns from the ribs to the
    middle on both. ``rows``, ``columns``: float (2, ROWS, COLUMNS), the place in the frame.
    """

    greys: Array
    rows: FloatArray
    columns: FloatArray

    def back(self, values: Array, fields: LungFields) -> FloatArray:
        """Return values (2, r, c) of equal parts of the sheet on the frame; NaN outside lungs."""
        out = np.full(fields.left_side.shape, np.nan)
        for side, field in enumerate((fields.left_side, fields.right_side)):
            down, across = _places(field, mirrored=side == 1)
            parts = values[side]
            at = (down * parts.shape[0] - 0.5, across * parts.shape[1] - 0.5)
            out[field] = ndimage.map_coordinates(parts, at, order=1, mode="nearest")
        return out


@dataclass(frozen=True, eq=False, slots=True)
class _Borders:
    """``first``, ``last``: column in each row (n,) of a field from row ``top`` on, smooth."""

    top: int
    first: FloatArray
    last: FloatArray


def _borders(field: BoolArray) -> _Borders:
    rows = np.flatnonzero(field.any(axis=1))
    every = np.arange(rows[0], rows[-1] + 1)
    inside = field[rows]
    first = np.interp(every, rows, inside.argmax(axis=1))
    last = np.interp(every, rows, field.shape[1] - 1 - inside[:, ::-1].argmax(axis=1))
    first, last = (ndimage.gaussian_filter1d(b, SMOOTH, mode="nearest") for b in (first, last))
    return _Borders(int(rows[0]), first, last)


def _places(field: BoolArray, *, mirrored: bool) -> tuple[FloatArray, FloatArray]:
    """Return where a field's pixels, in the order of nonzero, lie on the sheet: down, across."""
    rows, columns = np.nonzero(field)
    borders = _borders(field)
    at = rows - borders.top
    down = (at + 0.5) / len(borders.first)
    width = np.maximum(1.0, borders.last[at] - borders.first[at] + 1)
    across = np.clip((columns - borders.first[at] + 0.5) / width, 0.0, 1.0)
    return down, 1 - across if mirrored else across


def lay_flat(pixels: Array, fields: LungFields) -> Sheet:
    """Return the sheet of an upright frame (SIDE, SIDE), dense is bright."""
    out = np.empty((2, ROWS, COLUMNS))
    places = np.empty((2, 2, ROWS, COLUMNS))
    for side, field in enumerate((fields.left_side, fields.right_side)):
        borders = _borders(field)
        known = np.arange(len(borders.first))
        at = (np.arange(ROWS) + 0.5) / ROWS * len(known) - 0.5
        start, end = (np.interp(at, known, b) for b in (borders.first, borders.last))
        share = (np.arange(COLUMNS) + 0.5) / COLUMNS
        share = share[::-1] if side else share
        places[0, side] = (borders.top + at)[:, None]
        places[1, side] = start[:, None] - 0.5 + share[None] * (end - start + 1)[:, None]
        out[side] = ndimage.map_coordinates(
            pixels.astype(np.float64), places[:, side], order=1, mode="nearest"
        )
    low, high = np.percentile(out, [5, 95])
    greys = np.clip((out - low) / max(float(high - low), 0.02), -0.5, 1.5)
    return Sheet(greys.astype(np.float32), places[0], places[1])
