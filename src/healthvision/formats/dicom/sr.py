# SPDX-License-Identifier: Apache-2.0
"""TID 1500 Measurement Report as Comprehensive 3D SR from a Result (PS3.16 TID 1500, 1410/1411).

One measurement group per finding (tracking id, code, site, numbers with their intervals in
words, certainty, guideline categories, reference to its segment), one for the study's own
measurements, one for what was looked for and not found. Always UNVERIFIED and PRELIMINARY.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from healthvision.clinical import result as clinical
from healthvision.clinical.result import Finding, Result
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.seg import concept, side
from healthvision.formats.dicom.source import (
    DISCLAIMER_EN,
    DISCLAIMER_ZH,
    Identity,
    clean_source,
    describe_object,
)
from healthvision.formats.dicom.uids import derive_uid
from healthvision.formats.dicom.writer import MANUFACTURER, to_part10

_CERTAINTY = CodedConcept("111012", "DCM", "Certainty of Finding")
_COMMENT = CodedConcept("121106", "DCM", "Comment")
_PERCENT = CodedConcept("%", "UCUM", "Percent")
_ABSENT = CodedConcept("2667000", "SCT", "Absent")
_NEGATIVE_OF = CodedConcept("negative", "99HV", "Looked for and not found")
_EVIDENCE = CodedConcept("evidence-level", "99HV", "Evidence level of the method")
_STATUS = CodedConcept("result-status", "99HV", "Outcome of the analysis")
_PROCEDURE = CodedConcept("363679005", "SCT", "Imaging procedure")

Group = MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, eq=False, slots=True)
class SegReference:
    """The SEG object that findings point to.

    ``numbers``: from the application's segment number to the number in the object
    (``seg.segment_numbers``).
    """

    header: InstanceHeader
    numbers: dict[int, int] = field(default_factory=dict)


def write_sr(
    result: Result,
    sources: Sequence[InstanceHeader],
    identity: Identity,
    *,
    seg: SegReference | None = None,
) -> bytes:
    """Return the result as a Comprehensive 3D SR in Part 10 bytes.

    ``sources``: headers of the analysed images. Raises ValueError when there is none.
    """
    if not sources:
        raise ValueError("a structured report needs its source images")
    groups = _groups(result, sources, seg)
    report = MeasurementReport(
        observation_context=_observer(identity),
        procedure_reported=_PROCEDURE,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("en", "RFC5646", "English")
        ),
    )
    content = report[0]
    for text in _remarks(result):
        content.ContentSequence.append(_comment(text))
    evidence = [clean_source(h) for h in sources]
    if seg is not None:
        evidence.append(clean_source(seg.header))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds: Dataset = Comprehensive3DSR(
            evidence=evidence,
            content=content,
            series_instance_uid=identity.series_uid,
            series_number=identity.series_number,
            sop_instance_uid=identity.sop_uid,
            instance_number=identity.instance_number,
            manufacturer=MANUFACTURER,
            is_complete=True,
            is_final=False,
            is_verified=False,
            record_evidence=True,
        )
    describe_object(ds, identity)
    return to_part10(ds)


def _observer(identity: Identity) -> ObservationContext:
    app = identity.application
    device = DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", app.id, app.version),
        name=app.id,
        manufacturer_name=MANUFACTURER,
        model_name=f"{app.id} {app.version}"[:64],
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _groups(
    result: Result, sources: Sequence[InstanceHeader], seg: SegReference | None
) -> list[Group]:
    known = {h.sop_uid: h for h in sources}
    groups = [_finding(result, finding, known, seg) for finding in result.findings]
    if result.measurements:
        groups.append(_study_group(result))
    if result.negatives:
        groups.append(_negative_group(result))
    return groups or [_status_group(result)]


def _finding(
    result: Result,
    finding: Finding,
    known: dict[str, InstanceHeader],
    seg: SegReference | None,
) -> Group:
    tracking = TrackingIdentifier(uid=finding.tracking_uid, identifier=finding.tracking_id)
    number = _segment_of(finding, seg)
    sites = _sites(finding)
    measurements = [_measurement(m) for m in finding.measurements]
    if finding.confidence.value is not None:
        percent = round(100 * finding.confidence.value, 4)
        measurements.append(Measurement(name=_CERTAINTY, value=percent, unit=_PERCENT))
    group: Group
    if seg is not None and number is not None:
        group = VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            referenced_segment=ReferencedSegment(
                sop_class_uid=seg.header.sop_class_uid,
                sop_instance_uid=seg.header.sop_uid,
                segment_number=number,
                source_series=SourceSeriesForSegmentation(next(iter(known.values())).series_uid),
            ),
            finding_type=concept(finding.code),
            algorithm_id=_algorithm(result),
            finding_sites=sites or None,
            measurements=measurements or None,
            qualitative_evaluations=_qualities(finding),
        )
    else:
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            finding_type=concept(finding.code),
            algorithm_id=_algorithm(result),
            finding_sites=sites or None,
            measurements=measurements or None,
            qualitative_evaluations=_qualities(finding),
            source_images=_images(finding, known),
        )
    group[0].ContentSequence.append(_comment(_finding_words(finding)))
    return group


def _segment_of(finding: Finding, seg: SegReference | None) -> int | None:
    overlay = finding.explanation.overlay
    if seg is None or overlay is None or overlay.segment is None:
        return None
    return seg.numbers.get(overlay.segment)


def _images(
    finding: Finding, known: dict[str, InstanceHeader]
) -> list[SourceImageForMeasurementGroup] | None:
    header = known.get(finding.location.sop_instance_uid or "")
    if header is None:
        return None
    frame = finding.location.frame_number
    frames = [frame] if frame is not None and header.number_of_frames > 1 else None
    return [SourceImageForMeasurementGroup(header.sop_class_uid, header.sop_uid, frames)]


def _sites(finding: Finding) -> list[FindingSite]:
    location = finding.location
    if location.region_code is None:
        return []
    where = side(location.laterality) if location.laterality else None
    return [FindingSite(concept(location.region_code), laterality=where)]


def _measurement(m: clinical.Measurement) -> Measurement:
    unit = CodedConcept(m.unit, "UCUM", "no units" if m.unit == "1" else m.unit)
    return Measurement(name=concept(m.code), value=round(m.value, 6), unit=unit)


def _qualities(finding: Finding) -> list[QualitativeEvaluation]:
    out = [
        QualitativeEvaluation(concept(name), concept(value)) for name, value in finding.attributes
    ]
    for category in finding.categories:
        name = CodedConcept(category.guideline, "99HV", category.guideline[:64])
        value = CodedConcept(category.value, "99HV", f"{category.guideline} {category.value}"[:64])
        out.append(QualitativeEvaluation(name, value))
    level = finding.evidence_level.value
    out.append(QualitativeEvaluation(_EVIDENCE, CodedConcept(level, "99HV", f"Level {level}")))
    return out


def _algorithm(result: Result) -> AlgorithmIdentification:
    app = result.application
    parameters = [f"environment sha256 {app.environment_sha256}", f"seed {app.seed}"]
    if app.weights_sha256:
        parameters.append(f"weights sha256 {app.weights_sha256}")
    return AlgorithmIdentification(
        name=app.id, version=app.version, parameters=parameters, manufacturer=MANUFACTURER
    )


def _study_group(result: Result) -> Group:
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derive_uid(result.id, "study-measurements"), identifier="study"
        ),
        algorithm_id=_algorithm(result),
        measurements=[_measurement(m) for m in result.measurements],
    )
    lines = [_interval_words(m) for m in result.measurements if m.interval is not None]
    if lines:
        group[0].ContentSequence.append(_comment("; ".join(lines)))
    return group


def _status_group(result: Result) -> Group:
    """Stand in for findings when there are none: TID 1500 wants at least one group."""
    status = result.status.value
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derive_uid(result.id, "status"), identifier="status"
        ),
        algorithm_id=_algorithm(result),
        qualitative_evaluations=[
            QualitativeEvaluation(_STATUS, CodedConcept(status, "99HV", f"Analysis {status}"))
        ],
    )


def _negative_group(result: Result) -> Group:
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=derive_uid(result.id, "negatives"), identifier="negatives"
        ),
        finding_type=_NEGATIVE_OF,
        algorithm_id=_algorithm(result),
        qualitative_evaluations=[
            QualitativeEvaluation(concept(n.code), _ABSENT) for n in result.negatives
        ],
    )
    for negative in result.negatives:
        words = (
            f"{negative.label.en}: {negative.detection_limit.en} | "
            f"{negative.label.zh}：{negative.detection_limit.zh}"
        )
        group[0].ContentSequence.append(_comment(words))
    return group


def _finding_words(finding: Finding) -> str:
    confidence = finding.confidence
    lines = [
        f"{DISCLAIMER_EN} | {DISCLAIMER_ZH}",
        f"{finding.label.en} | {finding.label.zh}",
        f"{finding.location.region.en} | {finding.location.region.zh}",
        f"{finding.explanation.text.en} | {finding.explanation.text.zh}",
        *(_interval_words(m) for m in finding.measurements if m.interval is not None),
    ]
    if confidence.reason_absent is not None:
        lines.append(
            f"No confidence: {confidence.reason_absent.en} | {confidence.reason_absent.zh}"
        )
    elif confidence.interval is not None:
        span = confidence.interval
        lines.append(
            f"Confidence interval {span.low:g}-{span.high:g} ({span.coverage:g}), "
            f"{confidence.method}"
        )
    for category in finding.categories:
        management = category.management
        lines.append(f"{category.guideline} {category.value}: {management.en} | {management.zh}")
    return "\n".join(lines)


def _interval_words(m: clinical.Measurement) -> str:
    assert m.interval is not None
    span = m.interval
    return f"{m.label.en} | {m.label.zh}: {span.low:g}-{span.high:g} {m.unit} ({span.coverage:g})"


def _remarks(result: Result) -> list[str]:
    out = [
        f"{DISCLAIMER_EN}. {result.summary.en} | {DISCLAIMER_ZH}。{result.summary.zh}",
    ]
    if result.abstained_reason is not None:
        out.append(
            f"Abstained: {result.abstained_reason.en} | 不予判断：{result.abstained_reason.zh}"
        )
    out += [f"{text.en} | {text.zh}" for text in result.limitations]
    return out


def _comment(text: str) -> TextContentItem:
    return TextContentItem(
        name=_COMMENT, value=text, relationship_type=RelationshipTypeValues.CONTAINS
    )
