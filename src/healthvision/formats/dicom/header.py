# SPDX-License-Identifier: Apache-2.0
"""One object's header: what the archive, the rules and the picture makers need to know."""

import io
import mmap
import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.frames import PixelLayout, Span, locate_frames
from healthvision.formats.dicom.jsonmodel import BulkRef, Json, JsonBuilder
from healthvision.formats.dicom.part10 import (
    Buffer,
    Element,
    Limits,
    Tokens,
    is_uid,
    name_of,
    tokenize,
)

Source = bytes | bytearray | memoryview | mmap.mmap | os.PathLike[str] | BinaryIO

MAX_STREAM_BYTES = 600 << 20  # a stream without a file behind it is read whole, up to this
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
_AGE = re.compile(r"(\d{1,3})([DWMYdwmy])\Z")  # the standard: three digits, capitals
_DATE = re.compile(r"\d{8}\Z")
_LEADING_ZERO = re.compile(r"(?:^|\.)0\d")


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """The header of one stored object; absent values are None or ''.

    ``json``: DICOM JSON model of every attribute but the values listed in ``bulk``, for which
    the caller puts a BulkDataURI (their entry has only its ``vr``).
    ``pixel_offset``/``pixel_length``: the value of Pixel Data (also Float and Double Float) in
    the file; encapsulated: from the offset table item to before the closing delimiter.
    ``frames``: for each frame its fragments as (offset, length); one fragment per frame in
    native objects. Offsets count in the inflated data set when ``deflated``.
    ``patient_name``: the component groups as sent, decoded, e.g. 'Wang^XiaoDong=王^小东'.
    ``text``: ``json`` as ASCII text when it was asked for, else ''.
    ``notes``: oddities that do not stop storing, e.g. 'preamble-windows-program'.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_sex: str
    patient_birth_date: str
    patient_age: str
    patient_age_years: int | None
    accession_number: str
    issuer_of_accession: str
    study_date: str
    study_time: str
    study_description: str
    study_id: str
    referring_physician: str
    institution: str
    modality: str
    series_number: int | None
    series_description: str
    series_date: str
    series_time: str
    body_part: str
    laterality: str
    view_position: str
    protocol_name: str
    manufacturer: str
    model_name: str
    station_name: str
    instance_number: int | None
    image_type: tuple[str, ...]
    frame_of_reference_uid: str
    requested_procedure_priority: str
    requested_procedure_id: str
    character_set: tuple[str, ...]
    number_of_frames: int
    rows: int | None
    columns: int | None
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    pixel_representation: int
    little_endian: bool
    implicit: bool
    deflated: bool
    encapsulated: bool
    dataset_offset: int
    pixel_offset: int | None
    pixel_length: int | None
    frames: tuple[tuple[Span, ...], ...]
    bulk: tuple[BulkRef, ...]
    json: Json
    notes: tuple[str, ...]
    text: str = ""

    @property
    def frame_offsets(self) -> list[Span]:
        """(offset, length) per frame; [] when a frame is split over several fragments."""
        if any(len(frame) != 1 for frame in self.frames):
            return []
        return [frame[0] for frame in self.frames]

    @property
    def has_pixels(self) -> bool:
        """Whether there is a picture of known size in it."""
        return self.pixel_offset is not None and bool(self.rows and self.columns)


def read_header(
    source: Source, *, limits: Limits | None = None, with_text: bool = False
) -> InstanceHeader:
    """Read one Part 10 object's header within ``limits``; pixels are located, never decoded.

    ``source``: bytes, a path or an open binary file (mapped, not read). ``with_text``: write the
    JSON as text, too; entries of such a header are shared with others and must not be changed.
    Raises DicomRefused.
    """
    limits = limits or Limits()
    with _Opened(source) as buffer:
        try:
            return _header(tokenize(buffer, limits), limits, with_text=with_text)
        except RecursionError:
            raise DicomRefused("depth", "Sequences are nested too deeply.") from None


class _Opened:
    """Gives any source as a buffer and closes what it opened."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stack: list[Any] = []

    def __enter__(self) -> Buffer:
        source = self._source
        if isinstance(source, bytes | bytearray | mmap.mmap):
            return source
        if isinstance(source, memoryview):
            return source
        if isinstance(source, os.PathLike):
            handle = Path(source).open("rb")
            self._stack.append(handle)
            return self._map(handle)
        return self._map(source)

    def _map(self, handle: BinaryIO) -> Buffer:
        try:
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError, io.UnsupportedOperation):
            data = handle.read(MAX_STREAM_BYTES + 1)
            if len(data) > MAX_STREAM_BYTES:
                raise DicomRefused(
                    "too-large", f"The object is above {MAX_STREAM_BYTES} bytes."
                ) from None
            return data
        self._stack.append(mapped)
        return mapped

    def __exit__(self, *_: object) -> None:
        for thing in reversed(self._stack):
            thing.close()


def _header(tokens: Tokens, limits: Limits, *, with_text: bool) -> InstanceHeader:
    top = {element.tag: element for element in tokens.dataset}
    _check_image_vrs(top)
    builder = JsonBuilder(tokens)
    builder.signed = _signed(tokens, top)
    json, text = builder.build_with_text() if with_text else (builder.build(), "")
    values = _Values(json)
    uids = _uids(values, tokens, builder.notes)
    pixel = next((top[t] for t in (0x7FE00010, 0x7FE00008, 0x7FE00009) if t in top), None)
    layout = _layout(values, tokens, pixel)
    frames = () if pixel is None else locate_frames(tokens, pixel, layout, limits, values.inline)
    if pixel is not None and tokens.fragments is None and not frames and layout.frame_bits:
        builder.notes.append("frames-not-byte-aligned")
    return InstanceHeader(
        **uids,
        **_patient(values),
        **_study(values),
        **_series(values),
        **_image(values, layout),
        transfer_syntax=tokens.transfer_syntax,
        character_set=tuple(values.strings("00080005")),
        little_endian=tokens.little_endian,
        implicit=tokens.implicit,
        deflated=tokens.deflated,
        encapsulated=tokens.fragments is not None,
        dataset_offset=tokens.dataset_offset,
        pixel_offset=None if pixel is None else pixel.offset,
        pixel_length=None if pixel is None else pixel.length,
        frames=frames,
        bulk=tuple(builder.bulk),
        json=json,
        notes=tuple(dict.fromkeys([*tokens.notes, *builder.notes])),
        text=text,
    )


_EXACT_VR = {
    0x00280002: "US",
    0x00280006: "US",
    0x00280010: "US",
    0x00280011: "US",
    0x00280100: "US",
    0x00280101: "US",
    0x00280102: "US",
    0x00280103: "US",
    0x00280008: "IS",
    0x0020000D: "UI",
    0x0020000E: "UI",
    0x00080016: "UI",
    0x00080018: "UI",
}


def _check_image_vrs(top: dict[int, Element]) -> None:
    """Refuse another VR for what sizes are computed from (CVE-2026-5441 and its kin)."""
    for tag, vr in _EXACT_VR.items():
        element = top.get(tag)
        if element is None:
            continue
        if element.vr != vr or (vr == "US" and element.length not in (0, 2)):
            raise DicomRefused("vr", f"The value is no single {vr}.", field=name_of(tag))


def _signed(tokens: Tokens, top: dict[int, Element]) -> bool:
    element = top.get(0x00280103)
    if element is None or element.length != 2:
        return False
    return any(bytes(tokens.buffer[element.offset : element.offset + 2]))


class _Values:
    """Plain access to the JSON model by 'GGGGEEEE'."""

    def __init__(self, json: Json) -> None:
        self.json = json

    def strings(self, tag: str) -> list[str]:
        """Return every value as text; absent ones are ''."""
        return ["" if v is None else str(v) for v in self.json.get(tag, {}).get("Value", ())]

    def text(self, tag: str) -> str:
        """Return the first value as text, '' when absent."""
        entry = self.json.get(tag)
        if entry is None or not (values := entry.get("Value")):
            return ""
        value = values[0]
        if type(value) is str:
            return value
        return "" if value is None else str(value)

    def _first(self, tag: str) -> Any:
        entry = self.json.get(tag)
        values = None if entry is None else entry.get("Value")
        return values[0] if values else None

    def name(self, tag: str) -> str:
        """Return a person name with its groups joined by '='."""
        value = self._first(tag)
        if not isinstance(value, dict):
            return ""
        groups = [value.get(k, "") for k in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")

    def integer(self, tag: str) -> int | None:
        """Return the first value when it is a whole number."""
        entry = self.json.get(tag)
        if entry is None or not (values := entry.get("Value")):
            return None
        return values[0] if isinstance(values[0], int) else None

    def item(self, tag: str) -> "_Values":
        """Return the first item of a sequence, empty when absent."""
        value = self._first(tag)
        return _Values(value if isinstance(value, dict) else {})

    def inline(self, tag: str) -> str:
        """Return the base64 text of a short binary value, '' when absent."""
        return str(self.json.get(tag, {}).get("InlineBinary", ""))


def _uids(values: _Values, tokens: Tokens, notes: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if values.text("00080016") == DICOMDIR_CLASS or _meta_uid(tokens, 0x00020002) == DICOMDIR_CLASS:
        raise DicomRefused("dicomdir", "A DICOMDIR is an index of files, not an object.")
    for name, tag in (
        ("sop_class_uid", 0x00080016),
        ("sop_uid", 0x00080018),
        ("study_uid", 0x0020000D),
        ("series_uid", 0x0020000E),
    ):
        value = values.text(f"{tag:08X}")
        if not value:
            raise DicomRefused("uid-missing", "A required UID is missing.", field=name_of(tag))
        if not is_uid(value):
            raise DicomRefused("uid-syntax", "The value is no UID.", field=name_of(tag))
        if (".0" in value or value[0] == "0") and _LEADING_ZERO.search(value):
            notes.append("uid-leading-zero")
        out[name] = value
    meta = _meta_uid(tokens, 0x00020003)
    if meta and meta != out["sop_uid"]:
        notes.append("meta-sop-uid-mismatch")
    return out


def _meta_uid(tokens: Tokens, tag: int) -> str:
    for element in tokens.meta:
        if element.tag == tag:
            break
    else:
        return ""
    size = len(tokens.buffer) if not tokens.deflated else 0  # inflated: meta lies elsewhere
    if element.offset + element.length > size:
        return ""
    raw = bytes(tokens.buffer[element.offset : element.offset + element.length])
    return raw.decode("ascii", "replace").strip(" \0")


def _patient(values: _Values) -> dict[str, Any]:
    birth, study = values.text("00100030"), values.text("00080020")
    age = values.text("00101010")
    return {
        "patient_id": values.text("00100020"),
        "issuer_of_patient_id": values.text("00100021"),
        "patient_name": values.name("00100010"),
        "patient_sex": values.text("00100040"),
        "patient_birth_date": birth,
        "patient_age": age,
        "patient_age_years": age_years(age, birth, study),
    }


def age_years(age: str, birth: str, study: str) -> int | None:
    """Return whole years from Patient's Age (AS), else from the dates; None when unknown."""
    stated = _stated_years(age)
    return _years_between(birth, study) if stated is None else stated


def age_doubt(age: str, birth: str, study: str) -> str:
    """Return why an age is not to be relied on: 'unreadable', 'disagrees', '' when nothing is.

    'unreadable': Patient's Age is filled and no age. 'disagrees': it and the dates lie more than
    a year apart.
    """
    if not age.strip():
        return ""
    stated, counted = _stated_years(age), _years_between(birth, study)
    if stated is None:
        return "unreadable"
    return "disagrees" if counted is not None and abs(stated - counted) > 1 else ""


def _stated_years(age: str) -> int | None:
    match = _AGE.match(age.strip())
    if match is None:
        return None
    per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match[2].upper()]
    return int(int(match[1]) / per_year)


def _years_between(birth: str, study: str) -> int | None:
    born, seen = _day(birth), _day(study)
    if born is None or seen is None or seen < born:
        return None
    return seen.year - born.year - ((seen.month, seen.day) < (born.month, born.day))


def _day(text: str) -> date | None:
    if not _DATE.match(text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _study(values: _Values) -> dict[str, Any]:
    request = values.item("00400275")
    issuer = values.item("00080051")
    return {
        "accession_number": values.text("00080050") or request.text("00080050"),
        "issuer_of_accession": issuer.text("00400031") or issuer.text("00400032"),
        "study_date": values.text("00080020"),
        "study_time": values.text("00080030"),
        "study_description": values.text("00081030"),
        "study_id": values.text("00200010"),
        "referring_physician": values.name("00080090"),
        "institution": values.text("00080080"),
        "requested_procedure_priority": values.text("00401003") or request.text("00401003"),
        "requested_procedure_id": values.text("00401001") or request.text("00401001"),
    }


def _series(values: _Values) -> dict[str, Any]:
    return {
        "modality": values.text("00080060"),
        "series_number": values.integer("00200011"),
        "series_description": values.text("0008103E"),
        "series_date": values.text("00080021"),
        "series_time": values.text("00080031"),
        "body_part": values.text("00180015"),
        "laterality": values.text("00200060") or values.text("00200062"),
        "view_position": values.text("00185101"),
        "protocol_name": values.text("00181030"),
        "manufacturer": values.text("00080070"),
        "model_name": values.text("00081090"),
        "station_name": values.text("00081010"),
    }


def _image(values: _Values, layout: PixelLayout) -> dict[str, Any]:
    return {
        "instance_number": values.integer("00200013"),
        "image_type": tuple(values.strings("00080008")),
        "frame_of_reference_uid": values.text("00200052"),
        "number_of_frames": layout.frames,
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.photometric,
        "planar_configuration": values.integer("00280006") or 0,
        "bits_allocated": layout.bits,
        "bits_stored": values.integer("00280101"),
        "high_bit": values.integer("00280102"),
        "pixel_representation": values.integer("00280103") or 0,
    }


def _layout(values: _Values, tokens: Tokens, pixel: Element | None) -> PixelLayout:
    frames = values.integer("00280008")
    if values.text("00280008") and frames is None:
        raise DicomRefused("pixel-size", "Not a whole number.", field=name_of(0x00280008))
    if frames is not None and frames < 0:
        raise DicomRefused("pixel-size", "Fewer than no frames.", field=name_of(0x00280008))
    bits = values.integer("00280100")
    if pixel is not None and pixel.tag != 0x7FE00010:
        bits = 32 if pixel.tag == 0x7FE00008 else 64
    _check_depth(values, bits, tokens)
    return PixelLayout(
        rows=values.integer("00280010"),
        columns=values.integer("00280011"),
        samples=values.integer("00280002") or 1,
        bits=bits,
        frames=frames or 1,
        photometric=values.text("00280004"),
    )


def _check_depth(values: _Values, bits: int | None, tokens: Tokens) -> None:
    stored, high = values.integer("00280101"), values.integer("00280102")
    if bits is None or stored is None:
        return
    if stored > bits or (high is not None and high >= bits):
        raise DicomRefused(
            "pixel-size", "Bits Stored and High Bit do not fit.", field=name_of(0x00280101)
        )
