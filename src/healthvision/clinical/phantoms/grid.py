# SPDX-License-Identifier: Apache-2.0
"""A sampling grid in patient space and the drawing of small shapes with partial volume."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """Half-open index ranges (z, y, x) of a part of a grid."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index expression that cuts the box out of an array (z, y, x)."""
        z, y, x = (slice(a, b) for a, b in zip(self.low, self.high, strict=True))
        return z, y, x

    @property
    def empty(self) -> bool:
        """Whether the box holds no voxel."""
        return any(b <= a for a, b in zip(self.low, self.high, strict=True))


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """Voxel centres along the patient axes: ``z``, ``y``, ``x`` are LPS mm, ascending."""

    z: Float32
    y: Float32
    x: Float32

    @property
    def spacing(self) -> FloatArray:
        """Distance in mm between neighbours along (z, y, x)."""
        return np.array([float(a[1] - a[0]) for a in (self.z, self.y, self.x)])

    def box(self, low: FloatArray, high: FloatArray) -> Box:
        """Return the voxels whose centres lie between two LPS points (x, y, z)."""
        axes = (self.z, self.y, self.x)
        first = [int(np.searchsorted(a, v)) for a, v in zip(axes, low[::-1], strict=True)]
        last = [int(np.searchsorted(a, v)) for a, v in zip(axes, high[::-1], strict=True)]
        return Box((first[0], first[1], first[2]), (last[0], last[1], last[2]))

    def open_axes(self, box: Box) -> tuple[Float32, Float32, Float32]:
        """Return broadcastable (x, y, z) coordinates of the voxels of a box."""
        z, y, x = box.slices
        return self.x[x][None, None, :], self.y[y][None, :, None], self.z[z][:, None, None]


def coverage(distance: Float32, voxel_mm: float) -> Float32:
    """Return the share of a voxel inside a shape from the signed distance of its centre (mm)."""
    out: Float32 = np.clip(np.float32(0.5) - distance / np.float32(voxel_mm), 0.0, 1.0)
    return out


def blend(target: Float32, value: Float32 | float, share: Float32) -> None:
    """Mix ``value`` into ``target`` in place, ``share`` (0..1) of each voxel."""
    target += share * (value - target)


def draw_capsule(
    hu: Float32, grid: Grid, ends: tuple[FloatArray, FloatArray], radius: float, value: float
) -> None:
    """Draw a tube with round ends; ``ends`` are LPS points (x, y, z) in mm."""
    a, b = ends
    pad = radius + float(grid.spacing.max())
    box = grid.box(np.minimum(a, b) - pad, np.maximum(a, b) + pad)
    if box.empty:
        return
    x, y, z = grid.open_axes(box)
    axis = (b - a).astype(np.float32)
    length2 = max(float(axis @ axis), 1e-6)
    dx, dy, dz = (c - np.float32(p) for c, p in zip((x, y, z), a, strict=True))
    t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.float32(length2), 0, 1)
    distance2 = (dx - t * axis[0]) ** 2 + (dy - t * axis[1]) ** 2 + (dz - t * axis[2]) ** 2
    share = coverage(np.sqrt(distance2) - np.float32(radius), float(grid.spacing.mean()))
    # A tube thinner than a voxel fills only a part of it.
    share *= np.float32(min(1.0, (2.0 * radius / float(grid.spacing.mean())) ** 2))
    blend(hu[box.slices], value, share)


def draw_ellipsoid(
    hu: Float32,
    grid: Grid,
    centre: FloatArray,
    semi_axes: FloatArray,
    value: float,
    *,
    oversample: int = 4,
) -> None:
    """Draw an ellipsoid aligned with the patient axes, its partial volume by supersampling.

    ``centre`` and ``semi_axes`` are (x, y, z) in mm.
    """
    pad = grid.spacing[::-1]
    box = grid.box(centre - semi_axes - pad, centre + semi_axes + pad)
    if box.empty:
        return
    x, y, z = grid.open_axes(box)
    steps = (np.arange(oversample) + 0.5) / oversample - 0.5
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
    sz, sy, sx = grid.spacing
    for oz in steps:
        fz = ((z + oz * sz - centre[2]) / semi_axes[2]) ** 2
        for oy in steps:
            fy = ((y + oy * sy - centre[1]) / semi_axes[1]) ** 2
            for ox in steps:
                fx = ((x + ox * sx - centre[0]) / semi_axes[0]) ** 2
                inside += fx + fy + fz <= 1.0
    blend(hu[box.slices], value, inside / np.float32(oversample**3))
