# SPDX-License-Identifier: Apache-2.0
"""From a network's map to labels on the series' grid, volumes and single pieces."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.measure import feret
from healthvision.clinical.volume import Array, BoolArray, Volume
from healthvision.domains.modelhub.description import LabelSpec, SegmentationOutput
from healthvision.plugins.applications.described.preparing import Fed

_BY_THRESHOLD = ("sigmoid", "probability")  # classes may overlap
_FEW = 8  # channels up to which each one is brought back by itself, for smoother borders


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """One connected piece of a class, on the axially ordered grid.

    ``plane``: bool (y, x) of its section with the largest area.
    """

    plane: BoolArray
    ml: float
    section: int
    centre: tuple[float, float, float]
    longest_mm: float  # in that section
    share: float  # of that section's pixels
    score: float | None  # mean raw score inside


@dataclass(frozen=True, eq=False, slots=True)
class Marked:
    """What a network marked, on the axially ordered grid of the series (z, y, x).

    ``labels``: uint8, the picture: numbers of the classes (1, 2, ... in the order described; 0
    none), one for each voxel. ``counts``: voxels of each class by itself, by number; where classes
    overlap (``shared`` voxels) a class has more of them than the picture shows.
    """

    labels: Array
    counts: dict[int, int]
    shared: int

    def drawn(self, number: int) -> bool:
        """Tell whether something of a class is to be seen in the picture."""
        return bool((self.labels == number).any())


def marked(found: Array, fed: Fed, output: SegmentationOutput) -> Marked:
    """Return the picture of all classes and the size of each; the smaller class lies on top."""
    if output.activation not in _BY_THRESHOLD:
        labels = _exclusive(found, fed, output)
        sizes = np.bincount(labels.ravel(), minlength=len(output.labels) + 1)
        return Marked(labels, {n: int(sizes[n]) for n in range(1, len(output.labels) + 1)}, 0)
    labels = np.zeros(fed.oriented.volume.shape, np.uint8)
    several = np.zeros(labels.shape, np.bool_)
    sizes = np.zeros(len(output.labels) + 1, np.int64)
    for number, spec in enumerate(output.labels, start=1):
        mask = fed.back(found[spec.channel], 1) >= spec.threshold
        sizes[number] = mask.sum()
        several |= mask & (labels > 0)
        labels[mask & ((labels == 0) | (sizes[labels] >= sizes[number]))] = number
    counts = {n: int(sizes[n]) for n in range(1, len(output.labels) + 1)}
    return Marked(labels, counts, int(several.sum()))


def _exclusive(found: Array, fed: Fed, output: SegmentationOutput) -> Array:
    labels = np.zeros(fed.oriented.volume.shape, np.uint8)
    values = (
        np.rint(fed.back(found[0], 0)).astype(np.int64)
        if output.activation == "labels"
        else _winner(found, fed)
    )
    for number, spec in enumerate(output.labels, start=1):
        labels[values == spec.channel] = number
    return labels


def _winner(found: Array, fed: Fed) -> Array:
    if found.shape[0] == 2:
        return (fed.back(found[1] - found[0], 1) > 0).astype(np.uint8)
    if found.shape[0] > _FEW:
        return fed.back(np.argmax(found, axis=0).astype(np.uint16), 0)
    best = fed.back(found[0], 1)
    winner = np.zeros(best.shape, np.uint16)
    for channel in range(1, found.shape[0]):
        values = fed.back(found[channel], 1)
        above = values > best
        winner[above] = channel
        best = np.where(above, values, best)
    return winner


def pieces(
    on: Marked, number: int, spec: LabelSpec, found: Array, fed: Fed, output: SegmentationOutput
) -> list[Piece]:
    """Return the connected pieces of one class, largest first, those of ``least_ml`` and more.

    They are of the class by itself, also where another class lies over it in the picture.
    """
    alone = output.activation in _BY_THRESHOLD
    scores = fed.back(found[spec.channel], 1) if alone or output.activation == "softmax" else None
    mask = scores >= spec.threshold if alone and scores is not None else on.labels == number
    parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count == 0:
        return []
    sizes = np.bincount(parts.ravel())[1:]
    boxes = ndimage.find_objects(parts)
    voxel_ml = fed.oriented.volume.voxel_ml
    order = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] * voxel_ml >= output.least_ml]
    return [
        _piece(
            parts[boxes[i]] == i + 1,
            boxes[i],
            fed.oriented.volume,
            None if scores is None else scores[boxes[i]],
        )
        for i in order[: output.most_findings]
    ]


def _piece(mask: BoolArray, box: tuple[slice, ...], volume: Volume, scores: Array | None) -> Piece:
    """Measure one piece; ``mask`` and ``scores`` are of its box only."""
    inside = int(np.argmax(mask.sum(axis=(1, 2))))
    section = box[0].start + inside
    plane = np.zeros(volume.shape[1:], np.bool_)
    plane[box[1:]] = mask[inside]
    edge = plane & ~ndimage.binary_erosion(plane)
    spacing = np.asarray(volume.spacing[1:])
    points = np.argwhere(edge) * spacing
    y, x = (float(v) for v in np.argwhere(plane).mean(axis=0))
    return Piece(
        plane=plane,
        ml=float(mask.sum()) * volume.voxel_ml,
        section=section,
        centre=(float(section), y, x),
        longest_mm=feret(points, float(spacing.mean())).long_mm,
        share=float(plane.mean()),
        score=None if scores is None else float(np.clip(scores[mask].mean(), 0, 1)),
    )
