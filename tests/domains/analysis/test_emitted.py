# SPDX-License-Identifier: Apache-2.0
"""What each application writes for a finding, in every form, given to the tools of others."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from healthvision.clinical.phantoms import ChestConfig
from healthvision.clinical.phantoms.chest import SMALL, phantom
from healthvision.clinical.phantoms.head import HeadConfig, head
from healthvision.clinical.phantoms.radiograph import RadiographConfig, radiograph
from healthvision.domains.analysis.inputs import SourceObject, study_source
from healthvision.domains.analysis.outputs import Encoding, write
from healthvision.domains.analysis.runner import ResultFacts, build_result, run_application
from healthvision.domains.modelhub.reading import read
from healthvision.domains.modelhub.service import Installed, Registry, Shelf, discover
from healthvision.formats.dicom.binary_seg import as_binary
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.writer import to_part10
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from tests.formats.dicom.factories import slice_of, volume
from tests.support import own_models
from tests.support.conformance import complaints, read_by_others
from tests.support.small_ct import small_ct

BOTH: tuple[Encoding, ...] = ("LABELMAP", "BINARY")
Given = tuple[Installed, list[bytes]]


def _lung(_folder: Path) -> Given:
    wishes = (("solid", "isolated", 14.0), ("ground-glass", "isolated", 18.0))
    made = phantom(201, replace(SMALL, noise_sd=12.0, wishes=wishes)).volume  # type: ignore[arg-type]
    meta = SeriesMeta("P1", modality="CT", body_part="CHEST")
    return discover().get("lung-ct"), list(to_dicom_series(from_volume(made), meta, uid_salt="e"))


def _brain(_folder: Path) -> Given:
    config = HeadConfig(
        contrast="FLAIR", shape=(96, 110, 96), spacing=(2, 2, 2), ventricles=1.5,
        hyperintensities=8, tumour_mm=36.0,
    )  # fmt: skip
    meta = SeriesMeta("P2", modality="MR", body_part="BRAIN", series_description="t2_flair")
    packed = from_volume(head(11, config).volume)
    return discover().get("brain-mri"), list(to_dicom_series(packed, meta, uid_salt="e"))


def _chest(_folder: Path) -> Given:
    chest = ChestConfig(shape=(112, 120, 120), spacing=(2.7, 2.8, 2.8), nodules=0)
    pixels = radiograph(7300, RadiographConfig(chest=chest, opacity_mm=52.0)).pixels
    film = np.kron(pixels, np.ones((2, 2))).astype(np.int32)
    gone = ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID",
            "SliceThickness", "RescaleIntercept", "RescaleSlope")  # fmt: skip
    ds = slice_of(volume(film[None] - 1024), 0, **dict.fromkeys(gone))
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "DX"
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", "PA"
    ds.PatientOrientation, ds.PatientAge = ["L", "F"], "050Y"
    return discover().get("chest-xray"), [to_part10(ds)]


def _described(folder: Path) -> Given:
    shelf = Shelf(folder / "models")
    proposal = read(own_models.folder(folder / "m"))
    shelf.put(proposal.description, proposal.weights)
    return Registry([], shelf=shelf).get("bright-own"), small_ct()


def _object(data: bytes) -> SourceObject:
    return SourceObject(read_header(data), hashlib.sha256(data).hexdigest(), lambda: data)


@pytest.mark.long
@pytest.mark.parametrize("given", [_lung, _brain, _chest, _described])
def test_every_segmentation_and_report_is_read_by_others(
    given: Callable[[Path], Given], tmp_path: Path
) -> None:
    application, files = given(tmp_path)
    outcome = run_application(application, study_source(_object(f) for f in files))
    result = build_result(outcome, ResultFacts(id="one"))
    assert (result.abstained_reason, bool(result.findings)) == (None, True)
    objects: dict[str, bytes] = {}
    for encoding in BOTH:
        for item in write(result, outcome, seg_encoding=encoding).objects:
            if item.name.startswith("key-") and item.name != "key-1":
                continue
            objects[f"{encoding} {item.name}"] = item.data
            if encoding == "LABELMAP" and item.kind in ("SEG", "SR"):
                objects[f"turned {item.name}"] = as_binary(item.data)
    assert {"LABELMAP seg", "LABELMAP sr", "BINARY seg", "BINARY sr"} <= set(objects)
    assert {name: found for name, d in objects.items() if (found := complaints(d, tmp_path))} == {}
    read_back = {n: d for n, d in objects.items() if n.split()[1] in ("seg", "sr")}
    assert {n: said for n, d in read_back.items() if (said := read_by_others(d, tmp_path))} == {}
