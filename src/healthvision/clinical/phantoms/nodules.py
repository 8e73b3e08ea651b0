# SPDX-License-Identifier: Apache-2.0
"""Nodules of a phantom: where they are, how big they truly are, and how they are drawn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthvision.clinical.phantoms.anatomy import Body
from healthvision.clinical.phantoms.grid import (
    Float32,
    FloatArray,
    Grid,
    draw_capsule,
    draw_ellipsoid,
)
from healthvision.clinical.phantoms.trees import Tubes

Kind = Literal["solid", "ground-glass", "part-solid", "spiculated", "calcified"]
Place = Literal["isolated", "vessel", "pleural"]

MassPlace = Literal[
    "isolated",
    "lateral",
    "posterior",
    "apex",
    "diaphragm",
    "hilar-right",
    "hilar-left",
    "paracardiac",
]

KINDS: tuple[Kind, ...] = ("solid", "ground-glass", "part-solid", "spiculated", "calcified")
PLACES: tuple[Place, ...] = ("isolated", "vessel", "pleural")


@dataclass(frozen=True, slots=True)
class NoduleTruth:
    """One nodule as it was drawn.

    ``centre`` is LPS (x, y, z) in mm; ``semi_axes`` in mm along (x, y, z); ``volume_mm3`` is the
    ellipsoid's, less the cap that lies in the pleura; ``mean_diameter_mm`` is the mean of the two
    axes of the largest axial section. ``solid_*`` describe the core of a part-solid nodule.
    """

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    kind: Kind
    place: Place
    laterality: Literal["left", "right"]
    mean_diameter_mm: float
    volume_mm3: float
    solid_diameter_mm: float | None
    solid_volume_mm3: float | None


@dataclass(frozen=True, slots=True)
class MassTruth:
    """One round mass: ``centre`` LPS (x, y, z) in mm; parts of it may lie outside the lungs."""

    centre: tuple[float, float, float]
    place: MassPlace
    diameter_mm: float


@dataclass(frozen=True, slots=True)
class _Course:
    """Where a mass starts in the lung and which way it goes to meet a wall; mm at scale 1.

    ``start``: x, y in mm and z as share of the lungs' height; ``way``: direction (x, y, z);
    ``sunk``: share of the radius by which the centre lies under (positive) the lung's surface.
    """

    start: tuple[float, float, float]
    way: tuple[float, float, float]
    sunk: float


_COURSES: dict[MassPlace, _Course] = {
    "isolated": _Course((-80, 10, 0.0), (0, 0, 0), 0.0),
    "lateral": _Course((-80, 0, 0.05), (-1, 0, 0), 0.6),
    "posterior": _Course((75, 20, 0.1), (0, 1, 0), 0.6),
    "apex": _Course((-70, 5, 0.2), (0, 0, 1), 0.7),
    "diaphragm": _Course((-75, 15, -0.1), (0, 0, -1), 0.6),
    "hilar-right": _Course((-70, 12, 0.08), (1, 0, 0), 0.3),
    "hilar-left": _Course((70, 12, 0.12), (-1, 0, 0), 0.3),
    "paracardiac": _Course((-85, -15, -0.12), (1, 0, 0), 0.5),
}
MASS_PLACES: tuple[MassPlace, ...] = tuple(_COURSES)


def place_masses(body: Body, wishes: tuple[tuple[MassPlace, float], ...]) -> tuple[MassTruth, ...]:
    """Put masses of (place, diameter in mm) against the walls of the lungs."""
    out = []
    for place, diameter in wishes:
        course = _COURSES[place]
        x, y, height = course.start
        at = np.array([x * body.scale, y * body.scale, height * body.height])
        way = np.array(course.way, float)
        low, high = 0.0, 90.0
        for _ in range(40 if way.any() else 0):
            middle = (low + high) / 2
            deep = _depth(body, at + middle * way) < -course.sunk * diameter / 2
            low, high = (middle, high) if deep else (low, middle)
        x, y, z = (float(v) for v in at + low * way)
        out.append(MassTruth((x, y, z), place, diameter))
    return tuple(out)


def draw_masses(hu: Float32, distance: Float32, grid: Grid, masses: tuple[MassTruth, ...]) -> None:
    """Draw masses of 38 HU into the lungs; ``distance``: mm to the lungs, negative inside."""
    for mass in masses:
        at, semi = np.array(mass.centre), np.full(3, mass.diameter_mm / 2)
        drawn = hu.copy()
        draw_ellipsoid(drawn, grid, at, semi, 38.0)
        np.copyto(hu, drawn, where=distance < 1.0)


def _depth(body: Body, point: FloatArray) -> float:
    return float(body.lungs(*(np.asarray(c) for c in point)))


def _to_pleura(body: Body, point: FloatArray, wanted: float) -> FloatArray:
    """Move a point sideways until its depth below the lung surface is ``wanted`` mm."""
    side = np.sign(point[0])
    low, high = 0.0, 140.0 * body.scale
    for _ in range(40):
        middle = (low + high) / 2
        deep = _depth(body, point + np.array([side * middle, 0, 0])) < -wanted
        low, high = (middle, high) if deep else (low, middle)
    out: FloatArray = point + np.array([side * low, 0.0, 0.0])
    return out


def _candidate(
    rng: np.random.Generator, body: Body, tubes: Tubes, place: Place, radius: float
) -> FloatArray:
    """Propose a centre; the caller checks whether it fits."""
    if place == "vessel":
        pick = int(rng.integers(len(tubes.radius)))
        axis = tubes.end[pick] - tubes.start[pick]
        across = np.cross(axis, rng.normal(size=3))
        across = across / max(float(np.linalg.norm(across)), 1e-9)
        out: FloatArray = tubes.end[pick] + across * (radius + 0.6 * tubes.radius[pick])
        return out
    s = body.scale
    side = rng.choice([-1.0, 1.0])
    low, high = -0.38 * body.height, 0.38 * body.height
    point = np.array(
        [side * rng.uniform(35, 125) * s, rng.uniform(-65, 75) * s, rng.uniform(low, high)]
    )
    return _to_pleura(body, point, 0.9 * radius) if place == "pleural" else point


def _fits(
    body: Body, tubes: Tubes, taken: list[NoduleTruth], place: Place, at: FloatArray, radius: float
) -> bool:
    depth = -_depth(body, at)
    if place == "pleural":
        right_depth = abs(depth - 0.9 * radius) < 0.05 and abs(at[0]) > 60 * body.scale
        # Touch one wall only, well above the diaphragm.
        above = at - np.array([0, 0, 2.5 * radius + 4])
        right_depth = right_depth and _depth(body, above) < 0
    else:
        right_depth = depth > radius + 4
    if not right_depth:
        return False
    near = tubes.distance(at)
    if place == "vessel":
        if not (tubes.radius[np.argmin(near)] < 0.5 * radius and np.sum(near < radius) <= 3):
            return False
    elif near.min() < radius + 1.5:
        return False
    gaps = [np.linalg.norm(at - np.array(n.centre)) - max(n.semi_axes) - radius for n in taken]
    return bool(min(gaps, default=99.0) > 8.0)


def place_nodules(
    rng: np.random.Generator,
    body: Body,
    tubes: Tubes,
    wishes: list[tuple[Kind, Place, float]],
) -> tuple[NoduleTruth, ...]:
    """Find room for nodules of (kind, place, diameter in mm); a wish without room is left out."""
    taken: list[NoduleTruth] = []
    for kind, place, diameter in wishes:
        shape = rng.uniform(0.9, 1.1, size=3)
        shape = shape / np.prod(shape) ** (1 / 3)
        semi = shape * diameter / 2
        if place == "pleural":
            semi = np.full(3, diameter / 2)
        for _ in range(300):
            at = _candidate(rng, body, tubes, place, float(semi.max()))
            if _fits(body, tubes, taken, place, at, float(semi.max())):
                taken.append(_truth(kind, place, at, semi))
                break
    return tuple(taken)


def _truth(kind: Kind, place: Place, at: FloatArray, semi: FloatArray) -> NoduleTruth:
    volume = 4 / 3 * np.pi * float(np.prod(semi))
    if place == "pleural":
        height = 0.1 * float(semi[0])  # the cap beyond the pleura, see _candidate
        volume -= np.pi * height**2 * (3 * float(semi[0]) - height) / 3
    core = 0.5 if kind == "part-solid" else None
    return NoduleTruth(
        centre=(float(at[0]), float(at[1]), float(at[2])),
        semi_axes=(float(semi[0]), float(semi[1]), float(semi[2])),
        kind=kind,
        place=place,
        laterality="left" if at[0] > 0 else "right",
        mean_diameter_mm=float(semi[0] + semi[1]),
        volume_mm3=volume,
        solid_diameter_mm=None if core is None else core * float(semi[0] + semi[1]),
        solid_volume_mm3=None if core is None else core**3 * volume,
    )


def draw_nodules(
    hu: Float32,
    grid: Grid,
    nodules: tuple[NoduleTruth, ...],
    rng: np.random.Generator,
    *,
    faint_hu: float = 0.0,
) -> None:
    """Draw all nodules; a spiculated one gets thin rays that its truth volume leaves out.

    ``faint_hu``: each nodule is darker by a random amount of up to this.
    """
    for nodule in nodules:
        at, semi = np.array(nodule.centre), np.array(nodule.semi_axes)
        if nodule.kind == "spiculated":
            for ray in rng.normal(size=(14, 3)):
                ray = ray / np.linalg.norm(ray)
                end = at + ray * semi.mean() * rng.uniform(1.3, 1.7)
                draw_capsule(hu, grid, (at, end), 0.45, 10.0)
        value = {
            "solid": 35.0,
            "spiculated": 35.0,
            "calcified": 380.0,
            "ground-glass": -600.0,
            "part-solid": -590.0,
        }[nodule.kind] + rng.uniform(-20, 20)
        if faint_hu > 0:
            value -= rng.uniform(0, faint_hu)
        draw_ellipsoid(hu, grid, at, semi, value)
        if nodule.kind == "part-solid":
            draw_ellipsoid(hu, grid, at, 0.5 * semi, 35.0)
