# SPDX-License-Identifier: Apache-2.0
"""Whether a film looks like one of a child of 1 to 5 years or like an adult's.

One linear score over three views of the chest: what the lung network saw, the coarse greys of
both lungs laid flat, and the outlines of both lungs in their common box. None of them holds the
film's size, sharpness, aspect, border or the greys outside the chest directly.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.sheet import COLUMNS, ROWS, Sheet
from healthvision.clinical.volume import Array, BoolArray, FloatArray

KEPT = 0.98  # of the children learned from that stay within the limit
SHRINK = 0.3  # of the covariances towards their diagonal
_DOWN, _ACROSS, _OUTLINE = 16, 8, 16
_PARTS = ((64, 64), (2 * _DOWN * _ACROSS, 60), (2 * _OUTLINE**2, 40))  # values, components kept


def _outline(field: BoolArray, rows: Array, columns: Array) -> FloatArray:
    """Return a field in the box of both lungs on a coarse square grid, 0..1, flat."""
    box = field[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = Image.fromarray(box.astype(np.float32))
    small = image.resize((_OUTLINE, _OUTLINE), Image.Resampling.BOX)
    return np.asarray(small, np.float64).ravel()


def traits(embedding: Array, sheet: Sheet, fields: LungFields) -> FloatArray:
    """Return what the score is made of, (832,); ``embedding``: (64,) of the lung network."""
    parts = (2, _DOWN, ROWS // _DOWN, _ACROSS, COLUMNS // _ACROSS)
    coarse = sheet.greys.astype(np.float64).reshape(parts).mean(axis=(2, 4))
    both = fields.both
    rows, columns = (np.flatnonzero(both.any(axis=axis)) for axis in (1, 0))
    sides = (fields.left_side, fields.right_side)
    outlines = [_outline(field, rows, columns) for field in sides]
    return np.concatenate([np.asarray(embedding, np.float64), coarse.ravel(), *outlines])


@dataclass(frozen=True, eq=False, slots=True)
class AgeLook:
    """``weight`` (d,) and ``offset`` of the score; above ``limit`` a film is not a young child's.

    Scores rise from children to adults.
    """

    weight: FloatArray
    offset: float
    limit: float

    def score(self, seen: FloatArray) -> float:
        """Return the score of the traits (d,)."""
        return float(seen @ self.weight - self.offset)


def learn_look(children: FloatArray, adults: FloatArray) -> AgeLook:
    """Return the look from traits (n, d) of both groups: linear discriminant on main components.

    The limit depends on the children only: ``KEPT`` of them lie below.
    """
    projections, start = [], 0
    middle = children.mean(axis=0)
    for values, kept in _PARTS:
        part = children[:, start : start + values] - middle[start : start + values]
        spread, axes = np.linalg.eigh(part.T @ part / len(part))
        axes = axes[:, ::-1][:, :kept] / np.sqrt(np.maximum(spread[::-1][:kept], 1e-8))
        whole = np.zeros((children.shape[1], kept))
        whole[start : start + values] = axes
        projections.append(whole)
        start += values
    project = np.concatenate(projections, axis=1)
    a, b = ((group - middle) @ project for group in (children, adults))
    inside = 0.7 * np.cov(a.T) + 0.3 * np.cov(b.T)
    inside = (1 - SHRINK) * inside + SHRINK * np.diag(np.diag(inside))
    weight = project @ np.linalg.solve(inside, b.mean(axis=0) - a.mean(axis=0))
    offset = float((children.mean(axis=0) + adults.mean(axis=0)) @ weight / 2)
    limit = float(np.quantile(children @ weight - offset, KEPT))
    return AgeLook(weight, offset, limit)
