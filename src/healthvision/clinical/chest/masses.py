# SPDX-License-Identifier: Apache-2.0
"""Large soft-tissue masses that touch the chest wall or mediastinum, where the lung mask ends.

Looks where lung is expected and is not: inside the hull of both lungs and their mirror images,
outside the middle of the chest, and not connected to the diaphragm or the heart below.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from healthvision.clinical.chest.grid import close_mm, open_mm
from healthvision.clinical.chest.lungs import LEFT, RIGHT, Lungs
from healthvision.clinical.chest.measure import Axes, feret
from healthvision.clinical.volume import BoolArray

MIDDLE_MM = 40.0
LEAST_ML = 4.0
OPENING_MM = 7.0


@dataclass(frozen=True, eq=False, slots=True)
class Mass:
    """One mass on the coarse grid of the lungs: ``mask`` bool (z, y, x), ``section`` its widest."""

    mask: BoolArray
    place: tuple[float, float, float]
    left: bool
    zone: int
    section: int
    axes: Axes
    volume_ml: float
    mean_hu: float


def _hull(section: BoolArray) -> BoolArray:
    points = np.argwhere(section)
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:
        return section
    image = Image.new("1", (section.shape[1], section.shape[0]))
    ImageDraw.Draw(image).polygon([(int(x), int(y)) for y, x in corners], fill=1)
    return np.asarray(image, bool)


def _mirrored(section: BoolArray, middle: float) -> BoolArray:
    """Return the section mirrored at column ``middle``."""
    columns = np.rint(2 * middle - np.arange(section.shape[1])).astype(int)
    inside = (columns >= 0) & (columns < section.shape[1])
    out = np.zeros_like(section)
    out[:, inside] = section[:, columns[inside]]
    return out


def _expected(lungs: Lungs) -> BoolArray:
    """Return where lung is expected by the hull of each section, mirror image included."""
    labels = lungs.coarse_labels
    out = np.zeros(labels.shape, bool)
    half = MIDDLE_MM / lungs.coarse.spacing[2]
    columns = np.arange(labels.shape[2])
    for k in range(labels.shape[0]):
        right, left = labels[k] == RIGHT, labels[k] == LEFT
        if not (right.any() and left.any()):
            continue
        outer = np.flatnonzero(right.any(axis=0))[0], np.flatnonzero(left.any(axis=0))[-1]
        middle = float(sum(outer)) / 2
        lung = right | left
        hull = _hull(lung | _mirrored(lung, middle)) & lungs.body[k]
        out[k] = hull & (np.abs(columns - middle) > half)[None, :]
    return out


def _reaches_bottom(piece: BoolArray, lung: BoolArray) -> bool:
    """Whether a piece goes on down to where the lungs end: then it is heart or diaphragm."""
    heights = np.flatnonzero(lung.any(axis=(1, 2)))
    lowest = heights[0] + max(1, round(0.08 * len(heights)))
    return bool(piece[: lowest + 1].any())


def find_masses(lungs: Lungs) -> list[Mass]:
    """Return masses of at least 4 mL, largest first. Blind within 40 mm of the midline."""
    coarse = lungs.coarse
    lung = lungs.coarse_labels > 0
    if not ((lungs.coarse_labels == RIGHT).any() and (lungs.coarse_labels == LEFT).any()):
        return []
    dense = ndimage.gaussian_filter(coarse.voxels, 0.6)
    tissue = _expected(lungs) & (dense > -250) & (dense < 250)
    # Dense voxels that the closing had put into the lungs belong to the mass as well.
    tissue &= ~lung | ndimage.binary_dilation(tissue & ~lung, iterations=4)
    pieces, count = ndimage.label(open_mm(tissue, coarse.spacing, OPENING_MM))
    out = []
    for number in range(1, count + 1):
        piece = pieces == number
        if np.count_nonzero(piece) * coarse.voxel_ml < LEAST_ML or _reaches_bottom(piece, lung):
            continue
        piece = close_mm(piece, coarse.spacing, 4.0) & (dense > -400)
        out.append(_mass(lungs, piece))
    out.sort(key=lambda m: -m.volume_ml)
    return out


def _mass(lungs: Lungs, piece: BoolArray) -> Mass:
    coarse = lungs.coarse
    section = int(np.argmax(piece.sum(axis=(1, 2))))
    _, sy, sx = coarse.spacing
    axes = feret(np.argwhere(piece[section]) * np.array([sy, sx]), (sy + sx) / 2)
    centre = np.argwhere(piece).mean(axis=0)
    place = coarse.to_lps([float(c) for c in centre])
    lung = np.argwhere(lungs.coarse_labels > 0)
    middle = coarse.to_lps([float(c) for c in lung.mean(axis=0)])[0]
    rows = np.unique(lung[:, 0])
    return Mass(
        mask=piece,
        place=place,
        left=place[0] > middle,
        zone=int(np.clip(3 * (centre[0] - rows[0]) / max(len(rows), 1), 0, 2)),
        section=section,
        axes=axes,
        volume_ml=float(np.count_nonzero(piece)) * coarse.voxel_ml,
        mean_hu=float(coarse.voxels[piece].mean()),
    )
