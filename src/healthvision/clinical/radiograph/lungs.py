# SPDX-License-Identifier: Apache-2.0
"""Lung fields from the probabilities of the network, and whether they look like lungs at all."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.frame import SIDE
from healthvision.clinical.volume import Array, BoolArray

LEAST_SHARE = 0.03  # of the frame, one lung; smaller is a remnant


@dataclass(frozen=True, eq=False, slots=True)
class LungFields:
    """``left_side``, ``right_side``: bool (SIDE, SIDE), the lung on that side of the picture.

    ``certainty``: mean probability inside the outline, 0..1. ``edge``: share of both lungs' outline
    at the border of the film (cut off). ``tilt``: degrees that the line between the two lungs'
    centres is off the horizontal. ``fill``: lung area over the area of its convex hull, the lower
    of both. ``balance``: smaller over larger lung area.
    """

    left_side: BoolArray
    right_side: BoolArray
    certainty: float
    edge: float
    tilt: float
    fill: float
    balance: float

    @property
    def both(self) -> BoolArray:
        """Both lung fields together."""
        out: BoolArray = self.left_side | self.right_side
        return out


def _largest(mask: BoolArray) -> BoolArray:
    label, n = ndimage.label(mask)
    if n == 0:
        return mask
    sizes = ndimage.sum_labels(mask, label, range(1, n + 1))
    filled: BoolArray = ndimage.binary_fill_holes(label == int(np.argmax(sizes)) + 1)
    return filled


def _solid(mask: BoolArray) -> float:
    """Return area over the area between the leftmost and rightmost pixel of each row."""
    rows = mask[mask.any(axis=1)]
    if not len(rows):
        return 0.0
    first = rows.argmax(axis=1)
    last = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    return float(rows.sum() / max(1, (last - first).sum()))


def lung_fields(probability: Array, film: BoolArray) -> LungFields | None:
    """Return the two lung fields; None when one of them is missing.

    ``probability``: float (2, SIDE, SIDE), lung on the picture's left and right side. ``film``:
    bool (SIDE, SIDE), where the picture is.
    """
    masks = []
    for side in range(2):
        mask = _largest((probability[side] > 0.5) & (probability[side] >= probability[1 - side]))
        if mask.sum() < LEAST_SHARE * SIDE * SIDE:
            return None
        masks.append(mask)
    left, right = masks
    right = right & ~left
    both = left | right
    centres = [ndimage.center_of_mass(m) for m in (left, right)]
    dy, dx = (float(b - a) for a, b in zip(*centres, strict=True))
    rim = both & ~ndimage.binary_erosion(both)
    border = film & ~ndimage.binary_erosion(film, iterations=2)
    sizes = sorted((int(left.sum()), int(right.sum())))
    return LungFields(
        left_side=left,
        right_side=right,
        certainty=float(probability.max(axis=0)[both].mean()),
        edge=float((rim & border).sum() / max(1, rim.sum())),
        tilt=float(np.degrees(np.arctan2(dy, dx))),
        fill=min(_solid(left), _solid(right)),
        balance=sizes[0] / sizes[1],
    )


def is_inverted(pixels: Array, fields: LungFields) -> bool:
    """Whether the lungs are brighter than the middle of the chest between them.

    ``pixels``: float (SIDE, SIDE). On a film whose greys were not turned lungs are darker.
    """
    gaps = []
    for left, right, row in zip(fields.left_side, fields.right_side, pixels, strict=True):
        if left.any() and right.any():
            gaps.append(row[left.size - left[::-1].argmax() : right.argmax()])
    between = np.concatenate(gaps) if gaps else np.empty(0)
    if not between.size:
        return False
    lateral = np.percentile(pixels[fields.both], 40)
    return bool(lateral > np.median(between))


def body_below(pixels: Array, film: BoolArray, fields: LungFields) -> bool:
    """Whether there is body below the chest: on a film the belly, below a CT slice air.

    ``pixels``: float (SIDE, SIDE), dense is bright. Compares the middle of the lowest 6 % of the
    film with the lungs.
    """
    rows, columns = (np.flatnonzero(film.any(axis=axis)) for axis in (1, 0))
    deep = max(2, round(0.06 * len(rows)))
    third = len(columns) // 3
    strip = pixels[rows[-deep:]][:, columns[third : len(columns) - third]]
    return bool(np.median(strip) > np.percentile(pixels[fields.both], 25))
