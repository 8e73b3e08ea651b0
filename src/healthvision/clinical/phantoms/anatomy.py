# SPDX-License-Identifier: Apache-2.0
"""Shapes of a procedural chest: signed distances in LPS mm, negative inside."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from healthvision.clinical.phantoms.grid import Box, Float32, Grid, blend, coverage

Coordinates = npt.NDArray[np.floating]

AIR, FAT, MUSCLE, BLOOD, BONE, MARROW = -1000.0, -100.0, 45.0, 42.0, 420.0, 160.0


@dataclass(frozen=True, slots=True)
class Body:
    """Measures of one body in mm; the origin is the middle of the lungs.

    ``scale``: size relative to an adult of 340 mm chest width. ``height``: of the lungs.
    """

    scale: float
    height: float
    heart_x: float
    dome: float

    @property
    def top(self) -> float:
        """Height of the lung apex, LPS z in mm."""
        return self.height / 2

    @property
    def carina(self) -> tuple[float, float, float]:
        """LPS point (x, y, z) where the trachea divides."""
        return 0.0, 18.0 * self.scale, 0.12 * self.height

    def _lung(self, x: Coordinates, y: Coordinates, z: Coordinates, side: int) -> Coordinates:
        """Signed distance to one lung before the heart is carved; side -1 right, +1 left."""
        s = self.scale
        u = np.abs((x - side * 72 * s) / (58 * s))
        v = np.abs((y - 5 * s) / (82 * s))
        base = -0.1 * self.height
        taper = np.clip((z - base) / (self.top - base), 0, None) ** 3
        radius = (u**2.3 + v**2.3 + taper) ** (1 / 2.3)
        wall = (radius - 1) * (55 * s)
        dome = -self.height / 2 + self.dome * (1 - u**2 - v**2)
        out: Coordinates = np.maximum(wall, dome - z)
        return out

    def lungs(self, x: Coordinates, y: Coordinates, z: Coordinates) -> Coordinates:
        """Signed distance to both lungs; LPS coordinates that broadcast together."""
        both = np.minimum(self._lung(x, y, z, -1), self._lung(x, y, z, 1))
        out: Coordinates = np.maximum(
            both, -np.minimum(self.heart(x, y, z), self.mediastinum(x, y))
        )
        return out

    def heart(self, x: Coordinates, y: Coordinates, z: Coordinates) -> Coordinates:
        """Signed distance to the heart; its bulk lies on the left."""
        s = self.scale
        radius = np.sqrt(
            ((x - self.heart_x * s) / (56 * s)) ** 2
            + ((y + 28 * s) / (44 * s)) ** 2
            + ((z + self.height / 2 - 44 * s) / (52 * s)) ** 2
        )
        out: Coordinates = (radius - 1) * (48 * s)
        return out

    def mediastinum(self, x: Coordinates, y: Coordinates) -> Coordinates:
        """Signed distance to the mediastinum, a column without ends."""
        s = self.scale
        radius = np.sqrt((x / (29 * s)) ** 2 + ((y - 8 * s) / (88 * s)) ** 2)
        out: Coordinates = (radius - 1) * (29 * s)
        return out


@dataclass(frozen=True, eq=False, slots=True)
class _Columns:
    """What does not change along z: shares and distances over (y, x)."""

    body: Float32
    inner: Float32
    ring: Float32
    spine: Float32
    canal: Float32
    aorta: Float32


def _columns(body: Body, grid: Grid) -> _Columns:
    s = body.scale
    x, y = grid.x[None, :], grid.y[:, None]
    voxel = float(grid.spacing.mean())

    def ellipse(cx: float, cy: float, a: float, b: float, power: float = 2.0) -> Float32:
        r = (np.abs((x - cx * s) / (a * s)) ** power + np.abs((y - cy * s) / (b * s)) ** power) ** (
            1 / power
        )
        out: Float32 = ((r - 1) * (min(a, b) * s)).astype(np.float32)
        return out

    return _Columns(
        body=coverage(ellipse(0, 5, 168, 130, 2.4), voxel),
        inner=coverage(ellipse(0, 5, 155, 119, 2.4), voxel),
        ring=ellipse(0, 5, 143, 110, 2.2),
        spine=ellipse(0, 80, 17, 15),
        canal=ellipse(0, 101, 8, 7),
        aorta=coverage(ellipse(20, 52, 12, 12), voxel),
    )


def _bones(slab: Float32, z: Float32, y: Float32, body: Body, columns: _Columns) -> None:
    """Draw ribs (slanting rings) and the spine into a slab (z, y, x)."""
    rows, cols = np.nonzero(np.abs(columns.ring) < 8)
    slant = z[:, None] + np.float32(0.35) * y[rows][None, :]
    along = np.mod(slant, np.float32(25)) - np.float32(12.5)
    distance = np.sqrt(along**2 + columns.ring[rows, cols][None, :] ** 2) - np.float32(
        5 * body.scale
    )
    share = coverage(distance, 1.2)
    values = slab[:, rows, cols]
    slab[:, rows, cols] = values + share * (np.where(distance > -2, BONE, MARROW) - values)

    rows, cols = np.nonzero(columns.spine < 3)
    edge = columns.spine[rows, cols][None, :]
    disc = np.abs(np.mod(z, np.float32(26)) - 13)[:, None] < 2.5
    inside = np.where(disc, 85.0, np.where(edge > -2.0, BONE, MARROW)).astype(np.float32)
    values = slab[:, rows, cols]
    slab[:, rows, cols] = values + coverage(edge, 1.2) * (inside - values)
    rows, cols = np.nonzero(columns.canal < 4)
    edge = columns.canal[rows, cols]
    slab[:, rows, cols] = np.where(edge < 0, 25.0, BONE).astype(np.float32)[None, :]


def draw_body(hu: Float32, lung_distance: Float32, grid: Grid, body: Body) -> None:
    """Fill ``hu`` with everything but lung contents, and ``lung_distance`` with mm (float32).

    Both arrays have the grid's shape (z, y, x); works in slabs to keep memory low.
    """
    columns = _columns(body, grid)
    voxel = float(grid.spacing.mean())
    ny, nx = len(grid.y), len(grid.x)
    for start in range(0, len(grid.z), 16):
        stop = min(start + 16, len(grid.z))
        slab = hu[start:stop]
        slab[:] = AIR
        blend(slab, FAT, columns.body[None])
        blend(slab, MUSCLE, columns.inner[None])
        _bones(slab, grid.z[start:stop], grid.y, body, columns)
        x, y, z = grid.open_axes(Box((start, 0, 0), (stop, ny, nx)))
        column = coverage(body.mediastinum(x, y).astype(np.float32), voxel)
        spine = (columns.spine < 3) | (columns.canal < 4)
        blend(slab, 30.0, column * ~spine[None])
        blend(slab, BLOOD, coverage(body.heart(x, y, z).astype(np.float32), voxel))
        blend(slab, BLOOD, columns.aorta[None])
        lung_distance[start:stop] = body.lungs(x, y, z)
