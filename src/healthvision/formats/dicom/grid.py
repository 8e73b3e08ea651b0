# SPDX-License-Identifier: Apache-2.0
"""From the places of slices to one regular grid: duplicates, 4D, gaps, uneven steps, tilt."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from healthvision.clinical.result import Text
from healthvision.clinical.study import GeometryNote
from healthvision.clinical.volume import FloatArray
from healthvision.formats.dicom.errors import NotAVolume
from healthvision.formats.dicom.geometry import FramePlace

SAME_PLACE_MM = 0.01
MAX_GAP_STEPS = 4.5
MAX_FILLED = 0.10
EVEN = 0.01  # of a step: below, slices count as evenly spaced
MIN_TILT_DEGREES = 0.2


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """A regular grid and how each of its slices is made.

    ``shape``, ``spacing`` as in Volume (z, y, x); ``origin`` LPS of voxel [0, 0, 0];
    ``sources``: per output slice (low, high, weight of high) over the sorted input slices;
    ``shifts``: per input slice its in-plane offset (rows, columns) in pixels, 0 without tilt.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: FloatArray
    direction: FloatArray
    sources: tuple[tuple[int, int, float], ...]
    shifts: tuple[tuple[float, float], ...]
    kept: tuple[tuple[int, int], ...] | None = None  # (source, frame) of the sorted inputs

    def order(self, places: list[FramePlace]) -> list[FramePlace]:
        """Return the used places in the order that ``sources`` counts in."""
        if self.kept is None:
            return places
        by_key = {(p.source, p.frame): p for p in places}
        return [by_key[key] for key in self.kept]


def plan_grid(places: list[FramePlace], notes: list[GeometryNote]) -> Grid:
    """Return the grid for frames of one orientation; adds to ``notes`` what it found.

    Raises NotAVolume 'four-dimensional' or 'gap'.
    """
    reference = places[0]
    ordered = _without_duplicates(places, notes)
    depths = np.array([p.position @ reference.normal for p in ordered])  # type: ignore[operator]
    spacing = _step(ordered, depths)
    sources, step = _sources(depths, spacing, notes)
    shifts = _shifts(ordered, reference, notes)
    first = ordered[0]
    assert first.position is not None and reference.spacing is not None
    direction = np.stack([reference.normal, reference.column, reference.row], axis=1)
    return Grid(
        shape=(len(sources), *reference.size),
        spacing=(step, *reference.spacing),
        origin=first.position,
        direction=direction,
        sources=sources,
        shifts=shifts,
        kept=tuple((p.source, p.frame) for p in ordered),
    )


def _without_duplicates(places: list[FramePlace], notes: list[GeometryNote]) -> list[FramePlace]:
    """Sort along the normal and keep one slice per position; refuse time or echo series."""
    normal = places[0].normal
    ranked = sorted(
        places,
        key=lambda p: (float(p.position @ normal), p.instance_number, p.sop_uid, p.frame),  # type: ignore[operator]
    )
    ranked = _without_copies(ranked)
    slots: list[list[FramePlace]] = []
    for place in ranked:
        if slots and abs(_along(place, normal) - _along(slots[-1][0], normal)) < SAME_PLACE_MM:
            slots[-1].append(place)
        else:
            slots.append([place])
    counts = Counter(len(slot) for slot in slots)
    extra = sum(len(slot) - 1 for slot in slots)
    if extra and (counts[1] * 2 < len(slots)):
        raise NotAVolume(
            "four-dimensional",
            Text(
                zh=f"同一位置有多幅影像（最多 {max(counts)} 幅）：动态或多回波序列。",
                en=f"Up to {max(counts)} images lie at one position: a time or echo series.",
            ),
        )
    extra += len(places) - len(ranked)
    if extra:
        notes.append(
            GeometryNote(
                "duplicate",
                Text(zh=f"{extra} 幅重复影像未使用。", en=f"{extra} duplicate images left out."),
                float(extra),
            )
        )
    return [slot[0] for slot in slots]


def _without_copies(ranked: list[FramePlace]) -> list[FramePlace]:
    """Drop second copies of the same object and frame."""
    seen: set[tuple[str, int]] = set()
    out = []
    for place in ranked:
        key = (place.sop_uid, place.frame)
        if key not in seen:
            seen.add(key)
            out.append(place)
    return out


def _along(place: FramePlace, normal: FloatArray) -> float:
    assert place.position is not None
    return float(place.position @ normal)


def _step(ordered: list[FramePlace], depths: FloatArray) -> float:
    if len(ordered) == 1:
        return 1.0
    return float(np.median(np.diff(depths)))


def _sources(
    depths: FloatArray, step: float, notes: list[GeometryNote]
) -> tuple[tuple[tuple[int, int, float], ...], float]:
    """Return how each slice of the even grid is made from the sorted slices, and its step."""
    n = len(depths)
    if n == 1:
        return ((0, 0, 0.0),), step
    steps = np.diff(depths)
    mean = float((depths[-1] - depths[0]) / (n - 1))
    off = np.abs(depths - (depths[0] + mean * np.arange(n))).max()
    if off <= EVEN * mean or off < SAME_PLACE_MM:
        return tuple((i, i, 0.0) for i in range(n)), _tidy(mean)
    largest = float(steps.max())
    total = round(float(depths[-1] - depths[0]) / step) + 1
    if largest > MAX_GAP_STEPS * step or total - n > max(1, MAX_FILLED * n):
        raise NotAVolume(
            "gap",
            Text(
                zh=f"层面缺失：最大间隔 {largest:.1f} mm，层间距 {step:.2f} mm。",
                en=f"Slices are missing: gap of {largest:.1f} mm at a step of {step:.2f} mm.",
            ),
        )
    gap = largest > 1.5 * step
    notes.append(_spacing_note(gap, largest, step))
    if not gap:
        step = mean
        total = n
    return tuple(_between(depths, depths[0] + i * step, step) for i in range(total)), _tidy(step)


def _tidy(step: float) -> float:
    """Undo the last bits that subtracting positions leaves, far below what DICOM states."""
    return round(step, 6)


def _spacing_note(gap: bool, largest: float, step: float) -> GeometryNote:
    if gap:
        text = Text(
            zh=f"缺失层面已插值，最大间隔 {largest:.1f} mm。",
            en=f"Missing slices were interpolated, largest gap {largest:.1f} mm.",
        )
        return GeometryNote("gap", text, largest)
    text = Text(
        zh=f"层间距不均匀，已插值（最大 {largest:.2f} mm）。",
        en=f"Slices are unevenly spaced and were interpolated (largest {largest:.2f} mm).",
    )
    return GeometryNote("uneven", text, largest)


def _between(depths: FloatArray, wanted: float, step: float) -> tuple[int, int, float]:
    high = int(np.searchsorted(depths, wanted))
    high = min(max(high, 1), len(depths) - 1)
    low = high - 1
    weight = float(np.clip((wanted - depths[low]) / (depths[high] - depths[low]), 0, 1))
    if abs(wanted - depths[low]) < EVEN * step:
        return low, low, 0.0
    if abs(wanted - depths[high]) < EVEN * step:
        return high, high, 0.0
    return low, high, weight


def _shifts(
    ordered: list[FramePlace], reference: FramePlace, notes: list[GeometryNote]
) -> tuple[tuple[float, float], ...]:
    """Return each slice's in-plane offset in pixels against the first one (gantry tilt)."""
    assert reference.spacing is not None
    first = ordered[0].position
    assert first is not None
    offsets = np.array([p.position - first for p in ordered])  # type: ignore[operator]
    rows = offsets @ reference.column
    columns = offsets @ reference.row
    depth = float(offsets[-1] @ reference.normal)
    lateral = float(np.hypot(rows[-1], columns[-1]))
    worst = float(
        max(np.abs(rows / reference.spacing[0]).max(), np.abs(columns / reference.spacing[1]).max())
    )
    degrees = float(np.degrees(np.arctan2(lateral, depth))) if depth > 0 else 0.0
    if worst < 0.1 or (degrees < MIN_TILT_DEGREES and worst < 0.5):
        return tuple((0.0, 0.0) for _ in ordered)
    notes.append(
        GeometryNote(
            "tilt",
            Text(
                zh=f"机架倾斜 {degrees:.1f} 度，已校正。",
                en=f"Gantry tilt of {degrees:.1f} degrees was corrected.",
            ),
            degrees,
        )
    )
    return tuple(
        (float(r / reference.spacing[0]), float(c / reference.spacing[1]))
        for r, c in zip(rows, columns, strict=True)
    )
