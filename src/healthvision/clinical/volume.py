# SPDX-License-Identifier: Apache-2.0
"""The one type in which voxels travel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Volume:
    """Voxels with their place in the patient; axes are always (z, y, x).

    ``voxels``: array of shape (nz, ny, nx); CT voxels are Hounsfield units (int16 or float32),
    masks are bool or uint8/uint16 labels.
    ``spacing``: mm between voxel centres along (z, y, x), all positive.
    ``origin``: LPS position in mm (x, y, z) of the centre of voxel [0, 0, 0].
    ``direction``: 3x3; column 0/1/2 is the LPS unit vector along which the z/y/x index grows.
    LPS: +x to the patient's left, +y to the back, +z to the head (DICOM PS3.3 C.7.6.2.1.1).
    Raises ValueError when shape, spacing or direction cannot describe a volume.
    """

    voxels: Array
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: FloatArray

    def __post_init__(self) -> None:
        """Check the geometry once, so that nobody has to check it again."""
        if self.voxels.ndim != 3:
            raise ValueError(f"a Volume has 3 axes (z, y, x), not {self.voxels.ndim}")
        if not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise ValueError(f"spacing must be finite and positive, got {self.spacing}")
        if not all(np.isfinite(o) for o in self.origin):
            raise ValueError(f"origin must be finite, got {self.origin}")
        if self.direction.shape != (3, 3) or abs(abs(np.linalg.det(self.direction)) - 1) > 1e-2:
            raise ValueError("direction must be a 3x3 matrix of orthogonal unit vectors")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        nz, ny, nx = self.voxels.shape
        return nz, ny, nx

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(np.prod(self.spacing)) / 1000.0

    @property
    def affine(self) -> FloatArray:
        """4x4 matrix from index (z, y, x, 1) to LPS millimetres (x, y, z, 1)."""
        out = np.eye(4)
        out[:3, :3] = self.direction * np.asarray(self.spacing)
        out[:3, 3] = self.origin
        return out

    def to_lps(self, index: Sequence[float]) -> tuple[float, float, float]:
        """Return the LPS position (x, y, z) in mm of a voxel index (z, y, x)."""
        x, y, z = self.affine[:3, :3] @ np.asarray(index, float) + np.asarray(self.origin)
        return float(x), float(y), float(z)

    def to_index(self, lps: Sequence[float]) -> tuple[float, float, float]:
        """Return the fractional voxel index (z, y, x) of an LPS position (x, y, z) in mm."""
        offset = np.asarray(lps, float) - np.asarray(self.origin)
        z, y, x = np.linalg.solve(self.affine[:3, :3], offset)
        return float(z), float(y), float(x)

    def like(self, voxels: Array) -> "Volume":
        """Return other voxels of the same shape in the same place.

        Raises ValueError when the shape differs.
        """
        if voxels.shape != self.voxels.shape:
            raise ValueError(f"shape {voxels.shape} is not {self.voxels.shape}")
        return Volume(voxels, self.spacing, self.origin, self.direction)


def axial(
    voxels: Array,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Volume:
    """Return a volume in axial order: z grows to the head, y to the back, x to the left."""
    direction = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    return Volume(voxels, spacing, origin, direction)
