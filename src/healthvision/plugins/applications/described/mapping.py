# SPDX-License-Identifier: Apache-2.0
"""From a network's map to labels on the series' grid, volumes and single pieces."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.measure import feret
from healthvision.clinical.volume import Array, BoolArray, Volume
from healthvision.domains.modelhub.description import LabelSpec, SegmentationOutput
from healthvision.plugins.applications.described.preparing import Fed

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


def label_map(found: Array, fed: Fed, output: SegmentationOutput) -> Array:
    """Return label numbers (1, 2, ... in the order described; 0 none), (z, y, x), uint8."""
    shape = fed.oriented.volume.shape
    labels = np.zeros(shape, np.uint8)
    if output.activation == "labels":
        values = np.rint(fed.back(found[0], 0)).astype(np.int64)
        for number, spec in enumerate(output.labels, start=1):
            labels[values == spec.channel] = number
    elif output.activation in ("softmax", "argmax"):
        winner = _winner(found, fed)
        for number, spec in enumerate(output.labels, start=1):
            labels[winner == spec.channel] = number
    else:
        for number, spec in enumerate(output.labels, start=1):
            labels[fed.back(found[spec.channel], 1) >= spec.threshold] = number
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
    labels: Array, number: int, spec: LabelSpec, found: Array, fed: Fed, output: SegmentationOutput
) -> list[Piece]:
    """Return the connected pieces of one class, largest first, those of ``least_ml`` and more."""
    marked, count = ndimage.label(labels == number, np.ones((3, 3, 3)))
    if count == 0:
        return []
    sizes = np.bincount(marked.ravel())[1:]
    boxes = ndimage.find_objects(marked)
    voxel_ml = fed.oriented.volume.voxel_ml
    order = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] * voxel_ml >= output.least_ml]
    probable = output.activation in ("softmax", "sigmoid", "probability")
    scores = fed.back(found[spec.channel], 1) if probable and order else None
    return [
        _piece(
            marked[boxes[i]] == i + 1,
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
