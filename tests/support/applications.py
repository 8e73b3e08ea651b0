# SPDX-License-Identifier: Apache-2.0
"""A tiny real application: finds voxels above a threshold in a small CT."""

import os
import time

import numpy as np

from healthvision.clinical.result import (
    ChosenSeries,
    Code,
    Confidence,
    EvidenceLevel,
    Explanation,
    Finding,
    Gate,
    GateOutcome,
    Location,
    Measurement,
    Text,
)
from healthvision.clinical.study import (
    ApplicationOutput,
    KeyImage,
    Segment,
    Segmentation,
    SeriesImage,
)
from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.ports import (
    Budget,
    Context,
    EvidenceRecord,
    Manifest,
    Parameter,
    StudyInput,
)

LESION = Code(scheme="SCT", value="52988006", meaning="Lesion")
VOLUME = Code(scheme="SCT", value="118565006", meaning="Volume")
STRUCTURE = Code(scheme="SCT", value="49755003", meaning="Morphologically abnormal structure")
RECORD = EvidenceRecord(
    metric="sensitivity",
    value=1.0,
    low=None,
    high=None,
    n=3,
    data="test volumes",
    level=EvidenceLevel.E1,
    command="pytest",
)


def manifest(version: str = "1.0.0", *, identifier: str = "bright") -> Manifest:
    """Return the manifest of the test application."""
    return Manifest(
        id=identifier,
        version=version,
        title=Text(zh="高亮区", en="Bright spots"),
        description=Text(zh="查找高于阈值的体素。", en="Finds voxels above a threshold."),
        accepts="Modality == 'CT' && instance_count >= 3",
        intended_use=Text(zh="仅用于测试。", en="Tests only."),
        parameters=(
            Parameter(name="behave", kind="text", title=Text(zh="行为", en="behaviour")),
            Parameter(name="threshold", kind="number", title=Text(zh="阈值", en="threshold")),
        ),
        evidence_level=EvidenceLevel.E1,
        evidence=(RECORD,),
        budget=Budget(memory_mb=1024, cpu_seconds=60, wall_seconds=60, threads=1),
    )


class Bright:
    """The application; parameter ``behave`` makes it misbehave in one of several ways."""

    def __init__(self, version: str = "1.0.0") -> None:
        self.manifest = manifest(version)

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse the first CT series."""
        context.progress(0.1, "load")
        chosen = next((h for h in study.series if h.modality == "CT"), None)
        if chosen is None:
            return _output(abstained=Text(zh="没有CT。", en="There is no CT."))
        image = study.load(chosen.series_uid)
        misbehave(str(context.parameters.get("behave", "")), context)
        context.progress(0.7, "find")
        return found(image, float(context.parameters.get("threshold", 100.0)))


def misbehave(how: str, context: Context) -> None:
    """Do what an application must not do."""
    if how == "crash":
        os.abort()
    if how == "raise":
        raise RuntimeError("the patient is called Wang")
    if how == "eat":
        _hold = [np.ones(64 * 1024 * 1024, np.uint8) for _ in range(64)]
        time.sleep(60)
    if how == "infer":
        assert context.infer is not None
        said = context.infer("echo", {"x": np.arange(4), "note": "hello"})
        if said["note"] != "hello" or said["x"].sum() != 6:
            raise RuntimeError("the echo is wrong")
    if how == "no-engine":
        try:
            assert context.infer is not None
            context.infer("none", {})
        except RuntimeError as refused:
            context.progress(0.5, str(refused))
    if how == "hang":
        for step in range(1200):
            context.progress(min(0.6, 0.1 + step / 2000), "hang")
            time.sleep(0.05)


def found(image: SeriesImage, threshold: float) -> ApplicationOutput:
    """Return one finding for all voxels above the threshold."""
    voxels = image.volume.voxels
    mask = voxels > threshold
    header = image.header
    chosen = ChosenSeries(
        series_uid=header.series_uid,
        frame_of_reference_uid=header.frame_of_reference_uid,
        modality=header.modality,
        description=header.description,
        reason=Text(zh="第一个CT序列。", en="The first CT series."),
    )
    if not mask.any():
        return _output(chosen=chosen)
    z, y, x = (round(float(v)) for v in np.argwhere(mask).mean(axis=0))
    finding = Finding(
        tracking_id="bright-1",
        tracking_uid="2.25.4711",
        code=LESION,
        label=Text(zh="高亮区", en="Bright spot"),
        location=Location(
            position_lps_mm=image.volume.to_lps((z, y, x)),
            series_uid=header.series_uid,
            sop_instance_uid=image.slices[z].sop_instance_uid,
            region=Text(zh="体内", en="Body"),
        ),
        measurements=(_volume(float(mask.sum()) * image.volume.voxel_ml),),
        confidence=Confidence(value=float(min(1.0, mask.mean() * 20)), method="share of voxels"),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="threshold", text=Text(zh="高于阈值。", en="Above the threshold.")
        ),
    )
    segment = Segment(1, "Bright", Text(zh="高亮区", en="Bright"), STRUCTURE, LESION)
    labels = Segmentation(image.volume.like(mask.astype(np.uint8)), (segment,))
    picture = KeyImage(
        "key-1", _picture(voxels[z], mask[z]), z, Text(zh="关键层面", en="Key slice")
    )
    return _output(chosen=chosen, finding=finding, labels=labels, picture=picture)


def _picture(plane: Array, mask: Array) -> Array:
    grey = np.clip((plane.astype(float) + 1000) / 8, 0, 255).astype(np.uint8)
    out = np.stack([grey] * 3, axis=-1)
    out[mask] = (255, 128, 0)
    return out


def _volume(ml: float) -> Measurement:
    return Measurement(
        code=VOLUME, label=Text(zh="体积", en="Volume"), value=ml, unit="mL", method="voxel count"
    )


def _output(
    *,
    chosen: ChosenSeries | None = None,
    finding: Finding | None = None,
    labels: Segmentation | None = None,
    picture: KeyImage | None = None,
    abstained: Text | None = None,
) -> ApplicationOutput:
    outcome = GateOutcome.FAILED if abstained else GateOutcome.PASSED
    reason = abstained or Text(zh="是CT。", en="It is a CT.")
    return ApplicationOutput(
        chosen=chosen,
        gates=(Gate(id="modality", outcome=outcome, value=None, reason=reason),),
        findings=() if finding is None else (finding,),
        measurements=() if finding is None else finding.measurements,
        negatives=(),
        summary=Text(zh="测试结果。", en="Test result."),
        limitations=(),
        segmentation=labels,
        key_images=() if picture is None else (picture,),
        abstained=abstained,
        stages_s={"find": 0.01},
    )


BRIGHT = Bright()
NEWER = Bright("1.1.0")
