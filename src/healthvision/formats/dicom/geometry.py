# SPDX-License-Identifier: Apache-2.0
"""Plane and rescale values of each frame, from classic and enhanced objects (PS3.3 C.7.6)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from healthvision.clinical.volume import FloatArray
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.jsonmodel import Json


@dataclass(frozen=True, eq=False, slots=True)
class FramePlace:
    """One frame: its source, its plane in the patient (LPS mm), and its modality rescale.

    ``spacing``: mm between (rows, columns). ``row``/``column``: unit vectors along which the
    column index / the row index grows (Image Orientation Patient). None when not stated.
    """

    source: int
    frame: int
    sop_class_uid: str
    sop_uid: str
    instance_number: int
    size: tuple[int, int]
    position: FloatArray | None
    row: FloatArray
    column: FloatArray
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    multi_frame: bool

    @property
    def normal(self) -> FloatArray:
        """Unit vector row x column."""
        return np.cross(self.row, self.column)

    @property
    def depth(self) -> float:
        """Position along the normal in mm."""
        assert self.position is not None
        return float(self.position @ self.normal)


def frame_places(header: InstanceHeader, source: int) -> list[FramePlace]:
    """Return the place of every frame of one object."""
    shared = _first(header.json, "52009229")
    per_frame = header.json.get("52009230", {}).get("Value", [])
    out = []
    for index in range(header.number_of_frames):
        own: Json = per_frame[index] if index < len(per_frame) else {}
        out.append(_place(header, source, index, (own, shared, header.json)))
    return out


def _place(
    header: InstanceHeader, source: int, index: int, groups: tuple[Json, Json, Json]
) -> FramePlace:
    position = _numbers(groups, "00209113", "00200032", 3)
    if position is None and header.number_of_frames > 1:
        position = None
    orientation = _numbers(groups, "00209116", "00200037", 6)
    spacing = _numbers(groups, "00289110", "00280030", 2)
    if spacing is None:
        spacing = _numbers(groups, "00289110", "00181164", 2)
    slope = _numbers(groups, "00289145", "00281053", 1)
    intercept = _numbers(groups, "00289145", "00281052", 1)
    axes = _axes(orientation)
    return FramePlace(
        source=source,
        frame=index,
        sop_class_uid=header.sop_class_uid,
        sop_uid=header.sop_uid,
        instance_number=header.instance_number or 0,
        size=(header.rows or 0, header.columns or 0),
        position=None if axes is None else position,
        row=np.array([1.0, 0, 0]) if axes is None else axes[0],
        column=np.array([0.0, 1, 0]) if axes is None else axes[1],
        spacing=_pair(spacing),
        slope=1.0 if slope is None else float(slope[0]),
        intercept=0.0 if intercept is None else float(intercept[0]),
        multi_frame=header.number_of_frames > 1,
    )


def _pair(spacing: FloatArray | None) -> tuple[float, float] | None:
    if spacing is None or not (spacing > 0).all():
        return None
    return float(spacing[0]), float(spacing[1])


def _axes(values: FloatArray | None) -> tuple[FloatArray, FloatArray] | None:
    """Return the two unit vectors, made exactly orthogonal; None when they are no plane."""
    if values is None:
        return None
    row, column = values[:3], values[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.5 or max(lengths) > 2:
        return None
    row = row / lengths[0]
    column = column / lengths[1]
    skew = float(row @ column)
    if abs(skew) > 0.02:
        return None
    if abs(skew) > 1e-12:
        column = column - skew * row
        column = column / np.linalg.norm(column)
    return row, column


def _numbers(groups: tuple[Json, Json, Json], macro: str, tag: str, n: int) -> FloatArray | None:
    """Find ``tag`` in the functional group ``macro`` (own, then shared), then at the top."""
    own, shared, top = groups
    for holder in (_first(own, macro), _first(shared, macro), top):
        values = holder.get(tag, {}).get("Value", [])
        if len(values) >= n and all(isinstance(v, int | float) for v in values[:n]):
            out = np.asarray(values[:n], float)
            return out if np.isfinite(out).all() else None
    return None


def _first(holder: Json, tag: str) -> Json:
    values: list[Any] = holder.get(tag, {}).get("Value", [])
    first = values[0] if values else None
    return first if isinstance(first, dict) else {}
