# SPDX-License-Identifier: Apache-2.0
"""The one way from a DICOM series to a Volume: gaps, duplicates, tilt, multi-frame, 4D."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import Dataset

from healthvision.clinical.result import Text
from healthvision.clinical.study import GeometryNote, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Array, Volume
from healthvision.formats.dicom.errors import DicomRefused, NotAVolume
from healthvision.formats.dicom.geometry import FramePlace, frame_places
from healthvision.formats.dicom.grid import Grid, plan_grid
from healthvision.formats.dicom.header import InstanceHeader, age_doubt, read_header
from healthvision.formats.dicom.pixels import decode_frame
from healthvision.formats.dicom.stack import Load, StackFiller

Reader = bytes | os.PathLike[str] | Dataset | Callable[[], bytes]

MAX_VOXELS = 1 << 30
_PROJECTIONS = frozenset({"CR", "DX", "DR", "MG", "IO", "PX", "RG", "XC", "SC", "OT", "XA", "RF"})


def assemble(sources: Iterable[Reader]) -> SeriesImage:
    """Put the objects of one series together as a volume in modality values.

    ``sources``: each a Part 10 object as bytes, path, function returning bytes, or data set;
    it is opened twice (header, then pixels), so paths and functions keep memory flat: one
    object besides the volume. Slices are sorted along the normal (row x column); axis z grows
    that way. Values are int16 when they fit exactly, float32 otherwise. Missing or unevenly
    spaced slices are interpolated, gantry tilt is sheared back; each is said in ``notes``.
    Projection radiographs give one slice of nominal geometry (note 'projection').
    Raises NotAVolume (a ValueError, with the reason) or DicomRefused for a damaged object.
    """
    readers = list(sources)
    headers = [read_header(_bytes_or_path(reader)) for reader in readers]
    images = [(i, h) for i, h in enumerate(headers) if h.has_pixels]
    if not images:
        raise NotAVolume("no-images", Text(zh="序列中没有影像。", en="The series has no images."))
    _check_one_series([h for _, h in images])
    notes: list[GeometryNote] = []
    places = [place for i, h in images for place in frame_places(h, i)]
    if all(p.position is None for p in places) and images[0][1].modality in _PROJECTIONS:
        places = _one_projection(places, headers, notes)
        grid = _projection_grid(places[0])
    else:
        places = _one_stack(places, headers, notes)
        grid = plan_grid(places, notes)
    if int(np.prod(grid.shape)) > MAX_VOXELS:
        raise NotAVolume(
            "too-large", Text(zh="体素数量超过上限。", en=f"Above {MAX_VOXELS} voxels.")
        )
    return _fill(readers, headers, places, grid, notes)


def header_of(headers: Sequence[InstanceHeader]) -> SeriesHeader:
    """Return the series header that gates and rules read, from the headers of its objects.

    Values come from the first object that states them. Raises ValueError when there is none.
    """
    if not headers:
        raise ValueError("a series has at least one object")
    first = headers[0]
    many = Counter(h.sop_class_uid for h in headers).most_common(1)[0][0]

    def text(tag: str) -> str:
        return next((v for h in headers[:3] if (v := _text(h, tag))), "")

    return SeriesHeader(
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        modality=first.modality,
        sop_class_uid=many,
        frame_of_reference_uid=first.frame_of_reference_uid or None,
        description=first.series_description,
        body_part=first.body_part,
        patient_id=first.patient_id or None,
        issuer=first.issuer_of_patient_id or None,
        patient_sex=first.patient_sex or None,
        patient_age_years=first.patient_age_years,
        age_doubt=age_doubt(first.patient_age, first.patient_birth_date, first.study_date),
        study_date=first.study_date or None,
        accession_number=first.accession_number or None,
        slice_thickness_mm=_number(text("00180050")),
        convolution_kernel=text("00181210") or None,
        kvp=_number(text("00180060")),
        contrast_agent=text("00180010") or None,
        image_type=first.image_type,
        instance_count=len(headers),
        priority=first.requested_procedure_priority or None,
        extra=_extra(first),
    )


_EXTRA = {
    "ViewPosition": "00185101",
    "PatientPosition": "00185100",
    "Manufacturer": "00080070",
    "ManufacturerModelName": "00081090",
    "StudyDescription": "00081030",
    "ProtocolName": "00181030",
    "PhotometricInterpretation": "00280004",
    "MagneticFieldStrength": "00180087",
    "EchoTime": "00180081",
    "RepetitionTime": "00180080",
    "SequenceName": "00180024",
    "ScanningSequence": "00180020",
    "Rows": "00280010",
    "Columns": "00280011",
    "NumberOfFrames": "00280008",
    "BurnedInAnnotation": "00280301",
    "PatientOrientation": "00200020",
    "Laterality": "00200060",
    "SeriesNumber": "00200011",
}


def _extra(header: InstanceHeader) -> dict[str, str | int | float]:
    out: dict[str, str | int | float] = {}
    for keyword, tag in _EXTRA.items():
        values = header.json.get(tag, {}).get("Value", [])
        if values and isinstance(values[0], str | int | float):
            out[keyword] = values[0] if len(values) == 1 else "\\".join(map(str, values))
    return out


def _text(header: InstanceHeader, tag: str) -> str:
    values = header.json.get(tag, {}).get("Value", [])
    if not values:
        shared = header.json.get("52009229", {}).get("Value", [{}])[0]
        for group in shared.values():
            inner = group.get("Value", [None])[0]
            if isinstance(inner, dict) and tag in inner:
                values = inner[tag].get("Value", [])
    return str(values[0]) if values and isinstance(values[0], str | int | float) else ""


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _bytes_or_path(reader: Reader) -> bytes | Path:
    if isinstance(reader, bytes):
        return reader
    if isinstance(reader, Dataset):
        out = BytesIO()
        reader.save_as(out, enforce_file_format=True)
        return out.getvalue()
    if isinstance(reader, os.PathLike):
        return Path(reader)
    return reader()


def _check_one_series(headers: list[InstanceHeader]) -> None:
    if len({h.series_uid for h in headers}) > 1:
        raise NotAVolume(
            "mixed-series",
            Text(zh="对象来自多个序列。", en="The objects are of more than one series."),
        )


def _one_projection(
    places: list[FramePlace], headers: list[InstanceHeader], notes: list[GeometryNote]
) -> list[FramePlace]:
    """Take one radiograph: the frontal one when several are in the series."""
    if any(p.multi_frame for p in places):
        raise NotAVolume(
            "no-geometry",
            Text(zh="多帧影像没有空间位置。", en="A multi-frame picture without positions."),
        )
    frontal = [p for p in places if headers[p.source].view_position in ("PA", "AP")]
    chosen = min(frontal or places, key=lambda p: (p.instance_number, p.sop_uid))
    notes.append(
        GeometryNote(
            "projection",
            Text(zh="投影影像，无三维位置。", en="Projection picture without a place in 3D."),
        )
    )
    if len(places) > 1:
        notes.append(
            GeometryNote(
                "several-projections",
                Text(
                    zh=f"序列有 {len(places)} 幅影像，只分析其中一幅。",
                    en=f"The series has {len(places)} pictures; one is used.",
                ),
                float(len(places)),
            )
        )
    return [chosen]


def _projection_grid(place: FramePlace) -> Grid:
    """Nominal frontal geometry: columns grow to the patient's left, rows to the feet."""
    spacing = place.spacing or (1.0, 1.0)
    direction = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    return Grid(
        (1, *place.size), (1.0, *spacing), np.zeros(3), direction, ((0, 0, 0.0),), ((0.0, 0.0),)
    )


def _one_stack(
    places: list[FramePlace], headers: list[InstanceHeader], notes: list[GeometryNote]
) -> list[FramePlace]:
    """Keep the frames that share orientation, size and spacing; the others must be few."""
    usable = [p for p in places if p.position is not None and p.spacing is not None]
    usable = [p for p in usable if "LOCALIZER" not in headers[p.source].image_type] or usable
    if not usable or len(usable) * 3 < len(places) * 2:
        raise NotAVolume(
            "no-geometry",
            Text(zh="影像没有空间位置。", en="The images do not say where they are."),
        )
    groups: dict[tuple[object, ...], list[FramePlace]] = {}
    for place in usable:
        groups.setdefault(_group_key(place), []).append(place)
    merged = _merge_close(list(groups.values()))
    best = max(merged, key=len)
    left_out = len(places) - len(best)
    if len(best) * 3 < len(places) * 2:
        raise NotAVolume(
            "mixed-orientation",
            Text(
                zh="序列中影像的方向或大小不一致。",
                en="The images of the series differ in orientation or size.",
            ),
        )
    if left_out:
        notes.append(
            GeometryNote(
                "mixed-orientation",
                Text(
                    zh=f"{left_out} 幅方向或大小不同的影像未使用。",
                    en=f"{left_out} images of other orientation or size are left out.",
                ),
                float(left_out),
            )
        )
    return best


def _group_key(place: FramePlace) -> tuple[object, ...]:
    assert place.spacing is not None
    return (
        place.size,
        tuple(np.round(place.row, 2) + 0.0),
        tuple(np.round(place.column, 2) + 0.0),
        tuple(round(s, 3) for s in place.spacing),
    )


def _merge_close(groups: list[list[FramePlace]]) -> list[list[FramePlace]]:
    """Join groups that only rounding kept apart (1 degree, 1 % of spacing)."""
    out: list[list[FramePlace]] = []
    for group in sorted(groups, key=len, reverse=True):
        for other in out:
            if _same_plane(group[0], other[0]):
                other.extend(group)
                break
        else:
            out.append(group)
    return out


def _same_plane(a: FramePlace, b: FramePlace) -> bool:
    assert a.spacing is not None and b.spacing is not None
    limit = float(np.cos(np.radians(1.0)))
    close = all(abs(s / t - 1) < 0.01 for s, t in zip(a.spacing, b.spacing, strict=True))
    turned = min(float(a.row @ b.row), float(a.column @ b.column))
    return a.size == b.size and close and turned > limit


def _fill(
    readers: list[Reader],
    headers: list[InstanceHeader],
    places: list[FramePlace],
    grid: Grid,
    notes: list[GeometryNote],
) -> SeriesImage:
    """Decode slice by slice into the volume."""
    ordered = grid.order(places)
    filler = StackFiller(grid, [_loader(readers, headers, place) for place in ordered])
    voxels = filler.run()
    if filler.inverted:
        notes.append(
            GeometryNote("inverted", Text(zh="灰度已反转。", en="MONOCHROME1 was inverted."))
        )
    refs = []
    for low, high, weight in grid.sources:
        place = ordered[high if weight > 0.5 else low]
        frame = place.frame + 1 if place.multi_frame else None
        refs.append(SliceRef(place.sop_class_uid, place.sop_uid, frame))
    if len(refs) == 1 and not any(n.id == "projection" for n in notes):
        notes.append(
            GeometryNote("single-slice", Text(zh="只有一层影像。", en="There is only one slice."))
        )
    origin = (float(grid.origin[0]), float(grid.origin[1]), float(grid.origin[2]))
    volume = Volume(voxels, grid.spacing, origin, grid.direction)
    return SeriesImage(header_of(headers), volume, tuple(refs), tuple(notes))


def _loader(readers: list[Reader], headers: list[InstanceHeader], place: FramePlace) -> Load:
    def load() -> tuple[FramePlace, InstanceHeader, Array]:
        header = headers[place.source]
        raw = _bytes_or_path(readers[place.source])
        data = raw if isinstance(raw, bytes) else raw.read_bytes()
        pixels = decode_frame(data, header, place.frame)
        if pixels.ndim != 2 and header.modality not in _PROJECTIONS:
            raise NotAVolume("colour", Text(zh="彩色影像。", en="The images are in colour."))
        if pixels.dtype.kind not in ("iuf" if pixels.ndim == 2 else "iu"):
            raise DicomRefused("decode", "The pixels are no numbers that make a grey value.")
        return place, header, pixels

    return load
