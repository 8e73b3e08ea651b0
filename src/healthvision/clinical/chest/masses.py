# SPDX-License-Identifier: Apache-2.0
"""Large soft-tissue masses in and around the lungs, where lung is expected and is not.

Four places are looked at: outside the middle of the chest, the hull of both lungs and their mirror
images; beside the mediastinum, what bulges beyond its usual width in the heights above and below;
on the diaphragm, humps that are narrower than its dome; and dense tissue inside the lungs.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from healthvision.clinical.chest.grid import bounding_box, close_mm, open_mm
from healthvision.clinical.chest.lungs import LEFT, RIGHT, Lungs
from healthvision.clinical.chest.measure import Axes, feret
from healthvision.clinical.volume import Array, BoolArray, FloatArray

MIDDLE_MM = 40.0
LEAST_ML = 4.0
LEAST_INSIDE_MM = 30.0  # smaller ones inside the lungs are nodules, looked for elsewhere
OPENING_MM = 7.0
CENTRAL_OPENING_MM = 8.5  # the vessels of a hilum are up to 16 mm wide
BLIND_MM = 20.0
WINDOW_MM = 100.0
HUMP_MM = 32.0
HUMP_SHARE = 0.27  # of the width of a lung: half of what a dome of the diaphragm spans
_FAR = 10_000


@dataclass(frozen=True, eq=False, slots=True)
class Mass:
    """One mass on the coarse grid of the lungs: ``mask`` bool (z, y, x), ``section`` its widest.

    ``central``: it lies within 40 mm of the midline; ``basal``: on the diaphragm.
    """

    mask: BoolArray
    place: tuple[float, float, float]
    left: bool
    zone: int
    section: int
    axes: Axes
    volume_ml: float
    mean_hu: float
    central: bool
    basal: bool


@dataclass(frozen=True, eq=False, slots=True)
class _View:
    """The box around the lungs on the coarse grid: ``labels`` of the sides, ``dense`` tissue.

    ``middle``: column of the midline for each section.
    """

    labels: Array
    dense: BoolArray
    body: BoolArray
    spacing: tuple[float, float, float]
    middle: FloatArray

    @property
    def lung(self) -> BoolArray:
        """Both lungs."""
        return self.labels > 0


def _middles(labels: Array) -> FloatArray:
    """Return the column half-way between the outer walls of both lungs for each section."""
    found = np.full(labels.shape[0], np.nan)
    for k, section in enumerate(labels):
        right, left = (section == RIGHT).any(axis=0), (section == LEFT).any(axis=0)
        if right.any() and left.any():
            found[k] = (np.flatnonzero(right)[0] + np.flatnonzero(left)[-1]) / 2
    known = np.flatnonzero(~np.isnan(found))
    smooth = ndimage.median_filter(found[known], size=min(15, len(known)), mode="nearest")
    out: FloatArray = np.interp(np.arange(len(found)), known, smooth)
    return out


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


def _hulls(view: _View) -> BoolArray:
    """Return where lung is expected by the hull of each section, mirror image included."""
    out = np.zeros(view.labels.shape, bool)
    for k, section in enumerate(view.labels):
        if (section == RIGHT).any() and (section == LEFT).any():
            lung = section > 0
            out[k] = _hull(lung | _mirrored(lung, float(view.middle[k]))) & view.body[k]
    return out


def _sideways(view: _View) -> FloatArray:
    """Return the distance in mm to the midline of each column (z, 1, x); left is positive."""
    columns = np.arange(view.labels.shape[2])
    out: FloatArray = (columns[None, :] - view.middle[:, None])[:, None, :] * view.spacing[2]
    return out


def _outer(view: _View, hulls: BoolArray, aside: FloatArray) -> BoolArray:
    """Return dense pieces away from the midline that do not go on down to the lungs' end."""
    lung = view.lung
    tissue = hulls & view.dense & (np.abs(aside) > MIDDLE_MM)
    # Dense voxels that the closing had put into the lungs belong to the mass as well.
    tissue &= ~lung | ndimage.binary_dilation(tissue & ~lung, iterations=4)
    heights = np.flatnonzero(lung.any(axis=(1, 2)))
    lowest = heights[0] + max(1, round(0.08 * len(heights)))
    labels, _ = ndimage.label(open_mm(tissue, view.spacing, OPENING_MM))
    # What goes on down to where the lungs end is heart or diaphragm.
    return (labels > 0) & ~np.isin(labels, np.unique(labels[: lowest + 1]))


def _central(view: _View, hulls: BoolArray, aside: FloatArray) -> BoolArray:
    """Return dense pieces beside the mediastinum that stand out from its width above and below."""
    out = np.zeros(view.labels.shape, bool)
    size = max(3, round(WINDOW_MM / view.spacing[0]))
    for side, sign in ((RIGHT, -1.0), (LEFT, 1.0)):
        away = np.broadcast_to(sign * aside, out.shape)
        inner = np.where(view.labels == side, away, _FAR).min(axis=2)
        usual = ndimage.percentile_filter(inner, 40, size=(size, 3), mode="nearest")
        limit = np.maximum(usual + 3.0, BLIND_MM)[:, :, None]
        out |= (away > limit) & (away < inner[:, :, None]) & (away < 2 * MIDDLE_MM)
    return open_mm(out & hulls & view.dense, view.spacing, CENTRAL_OPENING_MM)


def _humps(view: _View, aside: FloatArray) -> BoolArray:
    """Return dense pieces on the diaphragm that are narrower than its dome.

    Blind near the midline and, on the left, in the front half: there the heart lies on it.
    """
    lung = view.lung
    lowest = np.where(lung.any(axis=0), lung.argmax(axis=0), _FAR)
    widths = [np.ptp(np.flatnonzero((view.labels == s).any(axis=(0, 1)))) for s in (RIGHT, LEFT)]
    wide = min(HUMP_MM, HUMP_SHARE * float(min(widths)) * view.spacing[2])
    radius = wide / np.array(view.spacing[1:])
    grids = np.ogrid[tuple(slice(-int(r), int(r) + 1) for r in radius)]
    disc = sum((g / r) ** 2 for g, r in zip(grids, radius, strict=True)) <= 1
    usual = ndimage.grey_opening(lowest, footprint=disc, mode="nearest")
    height = np.arange(lung.shape[0])[:, None, None]
    tissue = (height >= usual) & (height < lowest) & (lowest < _FAR) & view.dense & ~lung
    rows = np.flatnonzero(lung.any(axis=(0, 2)))
    behind = np.arange(lung.shape[1]) > (rows[0] + rows[-1]) / 2
    tissue &= (aside < -MIDDLE_MM) | ((aside > MIDDLE_MM) & behind[None, :, None])
    return open_mm(tissue, view.spacing, OPENING_MM)


def find_masses(lungs: Lungs) -> list[Mass]:
    """Return masses of at least 4 mL, largest first; see ``blind_gate`` for what is not seen."""
    coarse = lungs.coarse
    if not ((lungs.coarse_labels == RIGHT).any() and (lungs.coarse_labels == LEFT).any()):
        return []
    box = bounding_box(lungs.coarse_labels > 0, (4, 8, 4))
    smooth = ndimage.gaussian_filter(coarse.voxels[box], 0.6)
    labels = lungs.coarse_labels[box]
    dense = (smooth > -250) & (smooth < 250)
    view = _View(labels, dense, lungs.body[box], coarse.spacing, _middles(labels))
    hulls, aside = _hulls(view), _sideways(view)
    humps = _humps(view, aside)
    within = open_mm(view.lung & dense, coarse.spacing, OPENING_MM)
    found = _outer(view, hulls, aside) | _central(view, hulls, aside) | humps | within
    pieces, count = ndimage.label(found)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1) * coarse.voxel_ml
    out = []
    for number in np.flatnonzero(sizes >= LEAST_ML):
        if number == 0:
            continue
        piece = pieces == number
        inside = float(np.mean(view.lung[piece]))
        close = close_mm(piece, coarse.spacing, 4.0) & (smooth > -400)
        mask = np.zeros(coarse.shape, bool)
        mask[box] = close
        off = np.abs(np.broadcast_to(aside, piece.shape)[piece])
        mass = _mass(
            lungs, mask, central=bool(np.median(off) < MIDDLE_MM), basal=bool((piece & humps).any())
        )
        if inside < 0.9 or mass.axes.mean_mm >= LEAST_INSIDE_MM:
            out.append(mass)
    out.sort(key=lambda m: -m.volume_ml)
    return out


def _mass(lungs: Lungs, piece: BoolArray, *, central: bool, basal: bool) -> Mass:
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
        central=central,
        basal=basal,
    )
