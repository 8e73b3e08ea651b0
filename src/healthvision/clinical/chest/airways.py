# SPDX-License-Identifier: Apache-2.0
"""The trachea and what hangs on it, so that the lungs can be told from the airways."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.volume import BoolArray, Volume

LARGEST_TREE_ML = 110.0


@dataclass(frozen=True, eq=False, slots=True)
class Airways:
    """``mask``: bool (z, y, x); ``seed``: index of the highest trachea section found."""

    mask: BoolArray
    seed: tuple[int, int, int]


def _round_hole(volume: Volume, air: BoolArray, body: BoolArray, k: int) -> tuple[int, int] | None:
    """Return the (y, x) of a dark round hole of 60-700 mm2 near the middle of one section."""
    if not body[k].any():
        return None
    labels, count = ndimage.label(air[k] & (volume.voxels[k] < -850))
    _, sy, sx = volume.spacing
    middle = float(np.flatnonzero(body[k].any(axis=0)).mean())
    best, best_score = None, 1e9
    for i, box in enumerate(ndimage.find_objects(labels, count), start=1):
        area = float(np.count_nonzero(labels[box] == i)) * sy * sx
        high, wide = (box[0].stop - box[0].start) * sy, (box[1].stop - box[1].start) * sx
        if not (60 <= area <= 700 and 0.4 < high / wide < 2.5 and area > 0.5 * high * wide):
            continue
        y, x = (
            float(np.mean(c)) + b.start
            for c, b in zip(np.nonzero(labels[box] == i), box, strict=True)
        )
        off = abs(x - middle) * sx
        if off < 45 and off < best_score and labels[round(y), round(x)] == i:
            best, best_score = (round(y), round(x)), off
    return best


def find_airways(volume: Volume, air: BoolArray, body: BoolArray) -> Airways | None:
    """Find the trachea from the head downwards and grow it until it would leak into the lungs.

    ``volume``: block means (z, y, x) in HU, axial order; ``air``: voxels below -400 HU inside
    ``body``. Returns None when no trachea of at least 15 mm length is found.
    """
    nz = volume.shape[0]
    need = max(2, round(15 / volume.spacing[0]))
    chain: list[tuple[int, int, int]] = []
    for k in range(nz - 1, nz // 2, -1):
        hole = _round_hole(volume, air, body, k)
        if hole is None:
            chain = []
            continue
        if chain and np.hypot(hole[0] - chain[-1][1], hole[1] - chain[-1][2]) > 8:
            chain = []
        chain.append((k, *hole))
        if len(chain) >= need:
            break
    if len(chain) < need:
        return None
    seed = chain[len(chain) // 2]
    return Airways(_tree(volume, air, seed), chain[0])


def _tree(volume: Volume, air: BoolArray, seed: tuple[int, int, int]) -> BoolArray:
    """Grow the airways at the highest level that does not leak, else keep the trachea only."""
    for limit in (-880.0, -910.0, -935.0, -955.0, -975.0):
        labels, _ = ndimage.label(air & (volume.voxels < limit))
        if labels[seed] == 0:
            continue
        tree: BoolArray = labels == labels[seed]
        if np.count_nonzero(tree) * volume.voxel_ml <= LARGEST_TREE_ML:
            return tree
    column = np.zeros(volume.shape, bool)
    most = 900.0 / (volume.spacing[1] * volume.spacing[2])
    for k in range(seed[0], volume.shape[0]):
        labels, _ = ndimage.label(air[k] & (volume.voxels[k] < -850))
        here = labels[seed[1], seed[2]]
        if here and np.count_nonzero(labels == here) < most:
            column[k] = labels == here
    return column
