# SPDX-License-Identifier: Apache-2.0
"""Small DICOM objects, volumes and results that the tests of formats/ share."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from healthvision.clinical.result import (
    ApplicationRef,
    Category,
    ChosenSeries,
    Code,
    Confidence,
    EvidenceLevel,
    Explanation,
    ExplicitNegative,
    Finding,
    InputDigest,
    Interval,
    Laterality,
    Location,
    Measurement,
    OverlayRef,
    PatientRef,
    Priority,
    Result,
    ResultStatus,
    RuleStep,
    Text,
    Timings,
)
from healthvision.clinical.study import ApplicationOutput, KeyImage, Segment, Segmentation
from healthvision.clinical.volume import Array, FloatArray, Volume
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import ds_text, to_part10

SHARED = Path(os.environ.get("HV_SHARED", "../shared")) / "data"
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def shared(path: str) -> Path:
    """Return a file or folder of the shared data, or skip with the reason."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"shared data not there: {path}")
    return found


def rotation(a: float, b: float, c: float) -> FloatArray:
    """Rotation about z, y and x in radians."""
    ca, sa, cb, sb, cc, sc = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(c), np.sin(c)
    z = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1.0]])
    y = np.array([[cb, 0, sb], [0, 1.0, 0], [-sb, 0, cb]])
    x = np.array([[1.0, 0, 0], [0, cc, -sc], [0, sc, cc]])
    out: FloatArray = z @ y @ x
    return out


def noise(shape: tuple[int, int, int] = (9, 16, 20), seed: int = 1) -> Array:
    """Whole random values in the range of CT."""
    return np.random.default_rng(seed).integers(-1024, 3000, shape).astype(np.int16)


def volume(voxels: Array | None = None, turned: FloatArray | None = None) -> Volume:
    """A CT volume, axial unless ``turned``."""
    base = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    direction = base if turned is None else turned @ base
    values = noise() if voxels is None else voxels
    return Volume(values, (1.25, 0.7, 0.8), (-175.35, -170.2, 33.5), direction)


def slice_of(source: Volume, index: int, **changes: Any) -> Dataset:
    """One classic CT slice of a volume; ``changes`` sets or (None) deletes attributes."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = derive_uid("test", str(index), str(changes.get("AcquisitionNumber", "")))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derive_uid("study"), derive_uid("series")
    ds.FrameOfReferenceUID = derive_uid("frame")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.PatientName, ds.PatientID = "CT", "Wang^XiaoDong=王^小东", "P1"
    ds.PatientSex, ds.PatientBirthDate, ds.StudyDate = "F", "19700615", "20260304"
    ds.StudyTime, ds.AccessionNumber, ds.StudyID = "050607", "A1", "S1"
    ds.InstanceNumber = index + 1
    ds.ImagePositionPatient = [ds_text(v) for v in source.to_lps((index, 0, 0))]
    ds.ImageOrientationPatient = [
        ds_text(v) for v in (*source.direction[:, 2], *source.direction[:, 1])
    ]
    ds.PixelSpacing = [ds_text(s) for s in source.spacing[1:]]
    ds.SliceThickness = ds_text(source.spacing[0])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = source.shape[1:]
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    ds.PixelData = (source.voxels[index].astype(np.int32) + 1024).astype("<u2").tobytes()
    for keyword, value in changes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def series_of(source: Volume, change: Callable[[int], dict[str, Any]] | None = None) -> list[bytes]:
    """All slices of a volume as Part 10 objects."""
    made = (slice_of(source, i, **(change(i) if change else {})) for i in range(source.shape[0]))
    return [to_part10(ds) for ds in made]


def enhanced(made: Volume) -> bytes:
    """All slices in one object, last slice first."""
    ds = slice_of(made, 0)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    groups = []
    for index in reversed(range(made.shape[0])):
        place, group = Dataset(), Dataset()
        place.ImagePositionPatient = [ds_text(v) for v in made.to_lps((index, 0, 0))]
        group.PlanePositionSequence = Sequence([place])
        groups.append(group)
    turn, measure, rescale, shared_group = Dataset(), Dataset(), Dataset(), Dataset()
    turn.ImageOrientationPatient = ds.ImageOrientationPatient
    measure.PixelSpacing = ds.PixelSpacing
    rescale.RescaleSlope, rescale.RescaleIntercept = "1", "-1024"
    shared_group.PlaneOrientationSequence = Sequence([turn])
    shared_group.PixelMeasuresSequence = Sequence([measure])
    shared_group.PixelValueTransformationSequence = Sequence([rescale])
    ds.SharedFunctionalGroupsSequence = Sequence([shared_group])
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        del ds[keyword]
    ds.NumberOfFrames = made.shape[0]
    ds.PixelData = (made.voxels[::-1].astype(np.int32) + 1024).astype("<u2").tobytes()
    return to_part10(ds)


def _t(en: str, zh: str) -> Text:
    return Text(en=en, zh=zh)


APP = ApplicationRef(
    id="lung-ct",
    version="1.0.0",
    title=_t("Lung CT", "肺部 CT"),
    weights_sha256=None,
    environment_sha256="a" * 64,
    seed=1,
)
LUNG = Code(scheme="SCT", value="39607008", meaning="Lung")
NODULE = Code(scheme="SCT", value="427359005", meaning="Solitary nodule of lung")
ANATOMY = Code(scheme="SCT", value="123037004", meaning="Anatomical structure")
ABNORMAL = Code(scheme="SCT", value="49755003", meaning="Morphologically abnormal structure")
DIAMETER = Code(scheme="DCM", value="111464", meaning="Long Axis")


def finding(segment: int | None, sop_uid: str) -> Finding:
    """A nodule with everything a finding can carry."""
    return Finding(
        tracking_id="nodule-1",
        tracking_uid=derive_uid("nodule-1"),
        code=NODULE,
        label=_t("Lung nodule", "肺结节"),
        location=Location(
            position_lps_mm=(1.0, 2.0, 3.0),
            series_uid=derive_uid("series"),
            sop_instance_uid=sop_uid,
            region=_t("right upper lobe", "右肺上叶"),
            region_code=LUNG,
            laterality=Laterality.RIGHT,
        ),
        measurements=(
            Measurement(
                code=DIAMETER,
                label=_t("Diameter", "直径"),
                value=8.4,
                unit="mm",
                interval=Interval(low=7.6, high=9.2),
                method="test",
            ),
        ),
        attributes=(
            (
                Code(scheme="DCM", value="112034", meaning="Attenuation characteristic"),
                Code(scheme="RADLEX", value="RID5741", meaning="solid"),
            ),
        ),
        categories=(
            Category(
                guideline="lung-rads-v2022",
                value="4A",
                management=_t("3 month LDCT", "3 个月后低剂量 CT"),
                trace=(RuleStep(rule="r/1", text=_t("a", "甲"), inputs={"d": 8.4}, matched=True),),
                source="ACR 2022",
            ),
        ),
        confidence=Confidence(
            value=0.83, interval=Interval(low=0.7, high=0.9), method="logistic", calibrated_on="x"
        ),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="contrast",
            text=_t("Round and dense", "圆形高密度"),
            overlay=OverlayRef(segment=segment),
        ),
    )


def result(findings: tuple[Finding, ...]) -> Result:
    """A complete result about ``series_of(volume())``."""
    return Result(
        id="r-1",
        task_id="t-1",
        org_id="o-1",
        space_id="s-1",
        study_uid=derive_uid("study"),
        accession_number="A1",
        study_date="20260304",
        patient=PatientRef(patient_key=None, patient_id="P1", issuer=None, sex="F", age_years=55),
        series=ChosenSeries(
            series_uid=derive_uid("series"),
            frame_of_reference_uid=derive_uid("frame"),
            modality="CT",
            description="",
            reason=_t("the only one", "唯一序列"),
        ),
        inputs=(InputDigest(sop_instance_uid="1.2.3", sha256="b" * 64),),
        application=APP,
        status=ResultStatus.COMPLETE,
        priority=Priority.ROUTINE,
        timings=Timings(
            last_instance_at=AT,
            submitted_at=AT,
            started_at=AT,
            finished_at=AT,
            deadline_at=None,
        ),
        gates=(),
        findings=findings,
        measurements=(
            Measurement(
                code=Code(scheme="99HV", value="lung-volume", meaning="Lung volume"),
                label=_t("Lung volume", "肺容积"),
                value=4321.5,
                unit="mL",
                interval=Interval(low=4200, high=4400),
                method="count",
            ),
        ),
        negatives=(
            ExplicitNegative(
                code=Code(scheme="SCT", value="60118001", meaning="Pleural effusion"),
                label=_t("Pleural effusion", "胸腔积液"),
                detection_limit=_t("above 100 mL", "大于 100 mL"),
                evidence_level=EvidenceLevel.E1,
            ),
        ),
        summary=_t("One nodule.", "一个结节。"),
        limitations=(_t("Phantom only.", "仅体模。"),),
        evidence_level=EvidenceLevel.E1,
    )


def segmentation(source: Volume) -> Segmentation:
    """Two segments, number 1 (lung) and 3 (nodule); 2 stays without a voxel."""
    labels = np.zeros(source.shape, np.uint8)
    middle = source.shape[0] // 2
    labels[middle // 2 : middle + 3, 3:12, 4:15] = 1
    labels[middle : middle + 2, 5:8, 6:9] = 3
    lung = Segment(1, "Right lung", _t("Right lung", "右肺"), ANATOMY, LUNG, Laterality.RIGHT)
    other = Segment(2, "Left lung", _t("Left lung", "左肺"), ANATOMY, LUNG, Laterality.LEFT)
    nodule = Segment(
        3,
        "nodule-1",
        _t("Nodule", "结节"),
        ABNORMAL,
        NODULE,
        tracking_id="nodule-1",
        tracking_uid=derive_uid("nodule-1"),
    )
    return Segmentation(source.like(labels), (lung, other, nodule))


def output(
    made: Segmentation | None, findings: tuple[Finding, ...] = (), key_images: int = 1
) -> ApplicationOutput:
    """What an application returns for ``result``."""
    picture = np.random.default_rng(3).integers(0, 255, (33, 31, 3)).astype(np.uint8)
    images = tuple(
        KeyImage(f"key-{i + 1}", picture, i, _t("Nodule", "结节")) for i in range(key_images)
    )
    return ApplicationOutput(
        chosen=None,
        gates=(),
        findings=findings,
        measurements=(),
        negatives=(),
        summary=_t("One nodule.", "一个结节。"),
        limitations=(),
        segmentation=made,
        key_images=images,
    )
