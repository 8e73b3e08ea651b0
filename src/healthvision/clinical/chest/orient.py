# SPDX-License-Identifier: Apache-2.0
"""Bring any volume into axial order (z to head, y to back, x to left) and masks back again."""

from dataclasses import dataclass

import numpy as np

from healthvision.clinical.volume import Array, Volume


@dataclass(frozen=True, eq=False, slots=True)
class Oriented:
    """A volume in the axial order nearest to its own axes; voxels are a view, nothing is resampled.

    ``volume``: axis z grows towards the head, y to the back, x to the patient's left, each within
    45 degrees; the rest of an oblique rotation stays in its direction.
    """

    volume: Volume
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def back(self, voxels: Array) -> Array:
        """Return an array (z, y, x) of ``volume`` in the axis order of the original volume."""
        axes = tuple(i for i, flip in enumerate(self.flipped) if flip)
        return np.ascontiguousarray(np.flip(voxels, axes).transpose(np.argsort(self.order)))

    def original_index(self, index: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the original index of a voxel (z, y, x) of ``volume``."""
        shape = self.volume.shape
        unflipped = [
            n - 1 - i if flip else i for i, n, flip in zip(index, shape, self.flipped, strict=True)
        ]
        out = [0.0, 0.0, 0.0]
        for i, axis in enumerate(self.order):
            out[axis] = float(unflipped[i])
        return out[0], out[1], out[2]


def orient(volume: Volume) -> Oriented:
    """Return the volume seen in axial order, chosen from its direction and never from its data."""
    score = volume.direction[[2, 1, 0], :]  # rows: patient z, y, x; columns: index axes
    best = (0, 1, 2)
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        if sum(abs(score[i, a]) for i, a in enumerate(order)) > (
            sum(abs(score[i, a]) for i, a in enumerate(best)) + 1e-9
        ):
            best = order
    flipped = (
        bool(score[0, best[0]] < 0),
        bool(score[1, best[1]] < 0),
        bool(score[2, best[2]] < 0),
    )
    voxels = np.flip(volume.voxels.transpose(best), tuple(i for i in range(3) if flipped[i]))
    direction = volume.direction[:, list(best)] * np.where(flipped, -1.0, 1.0)
    corner = [0.0, 0.0, 0.0]
    for i, axis in enumerate(best):
        corner[axis] = float(volume.shape[axis] - 1) if flipped[i] else 0.0
    spacing = (volume.spacing[best[0]], volume.spacing[best[1]], volume.spacing[best[2]])
    return Oriented(Volume(voxels, spacing, volume.to_lps(corner), direction), best, flipped)
