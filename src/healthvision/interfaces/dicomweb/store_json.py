# SPDX-License-Identifier: Apache-2.0
"""DICOM JSON with bulk values into Part 10 objects (PS3.18 10.5.1, F)."""

import io
import warnings
from dataclasses import dataclass, field
from typing import Any

import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from healthvision.formats.dicom.part10 import NATIVE, is_uid
from healthvision.interfaces.dicomweb.media import parse_media_type
from healthvision.interfaces.dicomweb.multipart import BadMultipart, PartHead
from healthvision.interfaces.dicomweb.negotiation import DICOM_JSON, FRAME_MEDIA, MADE_MEDIA
from healthvision.kernel import strictjson

Refused = tuple[str, str]
_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class _Bulk:
    data: bytes
    syntax: str


@dataclass(slots=True)
class Assembly:
    """The parts of one request: first the JSON data sets, then the bulk values they name."""

    size: int = 0
    documents: list[dict[str, Any]] = field(default_factory=list)
    _bulk: dict[str, _Bulk] = field(default_factory=dict)

    def add(self, head: PartHead, data: bytes) -> None:
        """Take a part; raises BadMultipart for JSON that is none."""
        self.size += len(data)
        media = parse_media_type(head.content_type)
        if media.name in (DICOM_JSON, "application/json"):
            try:
                found = strictjson.loads(data.decode())
            except (ValueError, RecursionError):
                raise BadMultipart("a part is no JSON") from None
            listed = found if isinstance(found, list) else [found]
            if not all(isinstance(d, dict) for d in listed):
                raise BadMultipart("a part is no list of data sets")
            self.documents += listed
        else:
            syntax = media.transfer_syntax or MADE_MEDIA.get(media.name, "")
            if not syntax and media.name in FRAME_MEDIA.values():
                syntax = next(s for s, kind in FRAME_MEDIA.items() if kind == media.name)
            self._bulk[head.content_location] = _Bulk(data, syntax or ExplicitVRLittleEndian)

    def objects(self) -> list[tuple[bytes, Refused | None]]:
        """Return one Part 10 object per data set, or its reason of refusal."""
        return [self._object(document) for document in self.documents]

    def _object(self, document: dict[str, Any]) -> tuple[bytes, Refused | None]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._built(document), None
        except _ERRORS as error:
            return b"", ("json-model", f"the data set cannot be built ({type(error).__name__})")

    def _built(self, document: dict[str, Any]) -> bytes:
        used: list[_Bulk] = []

        def bulk(tag: str, vr: str, uri: str) -> bytes:
            found = self._bulk[uri]
            if tag.upper() == "7FE00010":
                used.append(found)
            return found.data

        main = {tag: value for tag, value in document.items() if not tag.startswith("0002")}
        dataset = pydicom.Dataset.from_json(main, bulk_data_uri_handler=bulk)
        syntax = used[0].syntax if used else str(ExplicitVRLittleEndian)
        if not is_uid(syntax):
            raise ValueError("the transfer syntax is no UID")
        if syntax not in NATIVE:
            if int(dataset.get("NumberOfFrames") or 1) != 1:
                raise ValueError("one part holds one compressed frame")
            dataset.PixelData = encapsulate([used[0].data])
            dataset["PixelData"].VR = "OB"
        else:
            syntax = str(ExplicitVRLittleEndian)
        return _part_10(dataset, syntax)


def _part_10(dataset: pydicom.Dataset, syntax: str) -> bytes:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = "ISO_IR 192"
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return out.getvalue()
