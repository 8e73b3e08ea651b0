# SPDX-License-Identifier: Apache-2.0
"""White-matter hyperintensities on FLAIR, and the volume grown from a click."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.brain.extraction import Brain
from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.brain.tissues import Tissues, depth_mm
from healthvision.clinical.chest.grid import open_mm
from healthvision.clinical.volume import BoolArray, Volume

SMALLEST_MM3 = 12.0


@dataclass(frozen=True, eq=False, slots=True)
class Hyperintensities:
    """``mask``: bool of ``Scan.work``; ``count``: separate spots; ``interval_ml``: over cuts."""

    mask: BoolArray
    ml: float
    count: int
    interval_ml: tuple[float, float]


def find_hyperintensities(scan: Scan, brain: Brain, tissues: Tissues) -> Hyperintensities:
    """Find spots on FLAIR that are clearly brighter than grey matter, away from the cortex."""
    grey, white = tissues.levels["grey"], tissues.levels["white"]
    spread = max(1.5 * tissues.sds["grey"], 0.55 * abs(grey - white))
    room = brain.inside & (depth_mm(brain, scan) > 9.0)
    masks = [_spots(scan, brain, room, grey + k * spread) for k in (2.0, 1.5, 2.5)]
    sizes = [float(m.sum()) * scan.work.voxel_ml for m in masks]
    _, count = ndimage.label(masks[0])
    return Hyperintensities(masks[0], sizes[0], int(count), (min(sizes), max(sizes)))


def _spots(scan: Scan, brain: Brain, room: BoolArray, level: float) -> BoolArray:
    """Return spots by hysteresis: a core above ``level``, an edge above nine tenths of it."""
    soft = ndimage.gaussian_filter(brain.level, [0.35 / s for s in scan.work.spacing])
    names, count = ndimage.label((soft > 0.96 * level) & room)
    if count == 0:
        return np.zeros(room.shape, bool)
    sizes = np.bincount(names.ravel(), minlength=count + 1) * scan.work.voxel_ml * 1000
    core = np.bincount(names[(soft > 1.05 * level) & room], minlength=count + 1)
    good = (sizes >= SMALLEST_MM3) & (core >= 2)
    good[0] = False
    out: BoolArray = good[names]
    return out


@dataclass(frozen=True, eq=False, slots=True)
class Grown:
    """A lesion grown from a point: ``mask`` of the given volume, ml, and the range over cuts."""

    mask: BoolArray
    ml: float
    interval_ml: tuple[float, float]


def grow_lesion(
    volume: Volume, seed: tuple[float, float, float], *, reach_mm: float = 45.0
) -> Grown | None:
    """Grow a lesion from a click; ``seed`` is LPS mm, ``reach_mm`` the farthest it may go.

    The cut lies half-way between the level at the click and that of the surroundings; three cuts
    around it give the range. None when the click lies outside or does not stand out.
    """
    at = tuple(round(i) for i in volume.to_index(seed))
    if not all(0 <= i < n for i, n in zip(at, volume.shape, strict=True)):
        return None
    box = tuple(
        slice(max(0, i - int(reach_mm / s) - 1), i + int(reach_mm / s) + 2)
        for i, s in zip(at, volume.spacing, strict=True)
    )
    part = volume.voxels[box].astype(np.float32)
    local = tuple(i - b.start for i, b in zip(at, box, strict=True))
    grid = np.meshgrid(
        *(
            (np.arange(n) - c) * s
            for n, c, s in zip(part.shape, local, volume.spacing, strict=True)
        ),
        indexing="ij",
        sparse=True,
    )
    away = np.sqrt(grid[0] ** 2 + grid[1] ** 2 + grid[2] ** 2)
    near = max(2.5, 1.01 * float(min(volume.spacing)))
    inner = float(np.median(part[away <= near]))
    soft = ndimage.gaussian_filter(part, [0.5 / s for s in volume.spacing])
    around = _surroundings(soft, away, inner, reach_mm)
    if around is None:
        return None
    masks = [
        _grown(soft, inner, around, share, local, volume.spacing, away <= reach_mm)
        for share in (0.5, 0.4, 0.6)
    ]
    sizes = [float(m.sum()) * volume.voxel_ml for m in masks]
    if sizes[0] == 0:
        return None
    mask = np.zeros(volume.shape, bool)
    mask[box] = masks[0]
    return Grown(mask, sizes[0], (min(sizes), max(sizes)))


def _surroundings(
    soft: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    away: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    inner: float,
    reach_mm: float,
) -> float | None:
    """Return the level of the shell where the profile from the click has changed most."""
    radii = np.arange(4.0, reach_mm, 2.0)
    shells = [soft[(away >= r) & (away < r + 2)] for r in radii]
    levels = np.array([np.median(s) if len(s) else np.nan for s in shells])
    known = levels[np.isfinite(levels)]
    if len(known) < 2:
        return None
    change = np.abs(known - inner)
    far = float(np.percentile(change, 60))
    if far < 0.08 * max(abs(inner), 1e-6):
        return None
    return float(known[int(np.argmin(np.abs(change - far)))])


def _grown(
    soft: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    inner: float,
    around: float,
    share: float,
    local: tuple[int, ...],
    spacing: tuple[float, float, float],
    reach: BoolArray,
) -> BoolArray:
    """Take what is like the click, then one voxel more up to ``share`` of the way outwards."""
    gap = abs(around - inner)
    z, y, x = (slice(max(0, i - 2), i + 3) for i in local)
    noise = 1.4826 * float(np.median(np.abs(soft[z, y, x] - inner))) + 0.01 * gap
    off = np.abs(soft - inner)
    same = off < np.clip(3.5 * noise, 0.25 * gap, share * gap)
    opened = open_mm(same & reach, spacing, min(1.5, 0.9 * max(spacing)))
    names, _ = ndimage.label(opened)
    found = int(names[local])
    if found == 0:
        return np.zeros(soft.shape, bool)
    edge = ndimage.binary_dilation(names == found) & (off < share * gap) & reach
    out: BoolArray = ndimage.binary_fill_holes(edge | (names == found))
    return out
