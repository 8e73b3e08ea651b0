# SPDX-License-Identifier: Apache-2.0
"""What others say of the objects we write: dciodvfy, dsrdump (DCMTK) and highdicom.

``KNOWN`` is the whole list of complaints that are the tool's own. dciodvfy of Debian is of June
2022 and DCMTK 3.6.7 of April 2022; label maps came into the standard later (Supplement 243, final
text 2024). What it says there: the numbers of BINARY and FRACTIONAL segments run from 1 without
holes, those of a label map are the pixel values (PS3.3 C.8.20.2.4); every pixel value, also the
background's, has an item; no frame names its one segment. So three complaints about 0 and the
class, and one about a reference to a segment of a class that was not known then, are no faults.
"""

import io
import re
import subprocess
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
from pydicom.uid import UID

from healthvision.formats.dicom.binary_seg import BINARY_CLASS, LABELMAP_CLASS
from tests.support.services import program

_LABELMAP = (
    r"SegmentNumber not monotonically increasing .* item number 1 .* SegmentNumber of 0",
    r"Information Object Not found",
)
_AS_BINARY = (  # the tool judges a label map by the rules of BINARY, when it is called one
    _LABELMAP[0],
    r"SegmentationType\(0062,0001\)\[1\]> - Unrecognized enumerated value = <LABELMAP>",
    r"SegmentSequence\(0062,0002\)\[1\]/SegmentNumber\(0062,0004\)\[1\]> - Value is zero",
    r"SegmentIdentificationSequence\(0062,000a\)> - Missing attribute .* Module=<SegmentationMacro",
)
_REPORT = (
    r"ReferencedSegmentNumber\(0062,000b\)> - Shall not be present for Referenced SOP Class that "
    r"is not segmentation",
)
KNOWN = {"labelmap": _LABELMAP, "labelmap-as-binary": _AS_BINARY, "report-on-labelmap": _REPORT}


def complaints(data: bytes, folder: Path) -> list[str]:
    """Return the errors that dciodvfy finds in an object, without those of ``KNOWN``.

    A label map is shown to it twice: as it is, and as a BINARY object, since of a class that it
    does not know it looks at nothing.
    """
    ds = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    if ds.SOPClassUID == LABELMAP_CLASS:
        found = _errors(data, folder, KNOWN["labelmap"])
        return found + _errors(_renamed(data), folder, KNOWN["labelmap-as-binary"])
    if LABELMAP_CLASS in _referenced(ds):
        return _errors(data, folder, KNOWN["report-on-labelmap"])
    return _errors(data, folder, ())


def read_by_others(data: bytes, folder: Path) -> list[str]:
    """Return what dsrdump or highdicom could not read of an SR or SEG; [] when all went well."""
    ds = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    if ds.SOPClassUID in (LABELMAP_CLASS, BINARY_CLASS):
        seg = hd.seg.segread(io.BytesIO(data))
        wanted = len([s for s in ds.SegmentSequence if s.SegmentNumber])
        lost = wanted - len(seg.segment_numbers)
        empty = [n for n in seg.segment_numbers if not _drawn(seg, n)]
        return [f"highdicom: {lost} segments lost"] * bool(lost) + [f"empty: {n}" for n in empty]
    return _no_report(ds, data, folder)


def _drawn(seg: Any, number: int) -> bool:
    """Tell whether some pixel belongs to a segment."""
    frames = seg.pixel_array
    if seg.segmentation_type is hd.seg.SegmentationTypeValues.LABELMAP:
        return bool((frames == number).any())
    shared = seg.SharedFunctionalGroupsSequence[0]
    named = [
        (g if "SegmentIdentificationSequence" in g else shared)
        .SegmentIdentificationSequence[0]
        .ReferencedSegmentNumber
        for g in seg.PerFrameFunctionalGroupsSequence
    ]
    planes = frames.reshape(-1, seg.Rows, seg.Columns)
    return any(bool(planes[i].any()) for i, n in enumerate(named) if n == number)


def _no_report(ds: pydicom.Dataset, data: bytes, folder: Path) -> list[str]:
    report: Any = hd.sr.srread(io.BytesIO(data))
    groups = report.content.get_image_measurement_groups()
    groups += report.content.get_planar_roi_measurement_groups()
    groups += report.content.get_volumetric_roi_measurement_groups()
    out = [] if groups else ["highdicom: no measurement group"]
    path = folder / "report.dcm"
    path.write_bytes(data)
    # DCMTK 3.6.7 knows no label map, so a reference to one is a value it has to be told to accept
    accept = ["-Ev"] if LABELMAP_CLASS in _referenced(ds) else []
    done = subprocess.run([program("dsrdump"), *accept, path], capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    return out + ([] if done.returncode == 0 else [f"dsrdump: {said[-300:]}"])


def _errors(data: bytes, folder: Path, known: tuple[str, ...]) -> list[str]:
    path = folder / "object.dcm"
    path.write_bytes(data)
    command = [program("dciodvfy"), "-new", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace").splitlines()
    errors = [line for line in said if line.startswith("Error")]
    return [line for line in errors if not any(re.search(k, line) for k in known)]


def _renamed(data: bytes) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data))
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(BINARY_CLASS)
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def _referenced(ds: pydicom.Dataset) -> set[str]:
    return {str(e.value) for e in ds.iterall() if e.keyword == "ReferencedSOPClassUID"}
