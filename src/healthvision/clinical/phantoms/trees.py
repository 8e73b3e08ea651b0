# SPDX-License-Identifier: Apache-2.0
"""Branching vessels and airways inside the lungs of a phantom."""

from dataclasses import dataclass

import numpy as np

from healthvision.clinical.phantoms.anatomy import AIR, BLOOD, Body
from healthvision.clinical.phantoms.grid import Float32, FloatArray, Grid, draw_capsule


@dataclass(frozen=True, eq=False, slots=True)
class Tubes:
    """Straight tubes: ``start`` and ``end`` (n, 3) LPS mm, ``radius`` (n,) mm."""

    start: FloatArray
    end: FloatArray
    radius: FloatArray

    def distance(self, point: FloatArray) -> FloatArray:
        """Return the distance (mm) from an LPS point to the surface of every tube (n,)."""
        axis = self.end - self.start
        t = np.einsum("ij,ij->i", point - self.start, axis)
        t = np.clip(t / np.maximum(np.einsum("ij,ij->i", axis, axis), 1e-9), 0, 1)
        nearest = self.start + t[:, None] * axis
        out: FloatArray = np.linalg.norm(point - nearest, axis=1) - self.radius
        return out


def _unit(v: FloatArray) -> FloatArray:
    out: FloatArray = v / max(float(np.linalg.norm(v)), 1e-9)
    return out


def _grow(
    rng: np.random.Generator,
    body: Body,
    root: tuple[FloatArray, FloatArray, float],
    least_radius: float,
    limit: int,
) -> list[tuple[FloatArray, FloatArray, float]]:
    """Grow one tree breadth first; root is (LPS start, direction, radius in mm)."""
    out: list[tuple[FloatArray, FloatArray, float]] = []
    queue = [root]
    while queue and len(out) < limit:
        start, direction, radius = queue.pop(0)
        length = (6 + 5 * radius) * rng.uniform(0.7, 1.3)
        end = start + direction * length
        depth = float(body.lungs(*(np.asarray(c) for c in end)))
        if depth > -2.0 - radius and abs(start[0]) > 40 * body.scale:
            continue
        out.append((start, end, radius))
        for share in rng.uniform(0.68, 0.88, size=2):
            if radius * share >= least_radius:
                bend = _unit(direction + rng.normal(0, 0.42, 3))
                queue.append((end, bend, radius * float(share)))
    return out


def _roots(
    rng: np.random.Generator, body: Body, count: int, radius: float
) -> list[tuple[FloatArray, FloatArray, float]]:
    """Stems that leave both hila in all directions of the lungs."""
    roots = []
    for side in (-1, 1):
        hilum = np.array([side * 30 * body.scale, 12 * body.scale, 0.0])
        for i in range(count):
            angle = 2 * np.pi * (i + rng.uniform(-0.3, 0.3)) / count
            target = np.array([side * 1.0, 0.9 * np.sin(angle), 1.1 * np.cos(angle)])
            roots.append((hilum + rng.normal(0, 3, 3), _unit(target), radius))
    return roots


def _tubes(segments: list[tuple[FloatArray, FloatArray, float]]) -> Tubes:
    return Tubes(
        np.array([s[0] for s in segments]),
        np.array([s[1] for s in segments]),
        np.array([s[2] for s in segments]),
    )


def vessels(rng: np.random.Generator, body: Body, *, density: float) -> Tubes:
    """Return the lung vessels; ``density`` 1 gives about 2,000 tubes of 0.6-4.5 mm radius."""
    segments = []
    for root in _roots(rng, body, 8, 4.5 * body.scale):
        segments += _grow(rng, body, root, 0.6, max(8, int(130 * density)))
    return _tubes(segments)


def airways(rng: np.random.Generator, body: Body) -> Tubes:
    """Return the bronchi inside the lungs, radius of the lumen 0.9-3.5 mm."""
    segments = []
    for root in _roots(rng, body, 4, 3.5 * body.scale):
        segments += _grow(rng, body, root, 0.9, 24)
    return _tubes(segments)


def draw_airways(hu: Float32, grid: Grid, body: Body, tubes: Tubes) -> None:
    """Draw walls (about 1 mm) and lumen of bronchi, then trachea and main bronchi."""
    for start, end, radius in zip(tubes.start, tubes.end, tubes.radius, strict=True):
        draw_capsule(hu, grid, (start, end), radius + 1.0, -150.0)
    for start, end, radius in zip(tubes.start, tubes.end, tubes.radius, strict=True):
        draw_capsule(hu, grid, (start, end), radius, -980.0)
    s = body.scale
    carina = np.array(body.carina)
    head = carina + np.array([0.0, -8.0 * s, body.height])
    mains = [np.array([side * 30 * s, 14 * s, 0.0]) for side in (-1.0, 1.0)]
    for end in mains:
        draw_capsule(hu, grid, (carina, end), 8.0 * s, 40.0)
    draw_capsule(hu, grid, (carina, head), 10.5 * s, 40.0)
    for end in mains:
        draw_capsule(hu, grid, (carina, end), 6.0 * s, AIR)
    draw_capsule(hu, grid, (carina, head), 8.5 * s, AIR)


def draw_vessels(hu: Float32, grid: Grid, tubes: Tubes) -> None:
    """Draw vessels as blood-filled tubes."""
    for start, end, radius in zip(tubes.start, tubes.end, tubes.radius, strict=True):
        draw_capsule(hu, grid, (start, end), radius, BLOOD)
