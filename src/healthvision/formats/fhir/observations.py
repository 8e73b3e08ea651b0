# SPDX-License-Identifier: Apache-2.0
"""Findings, study measurements and explicit negatives as FHIR Observations (R4B 4.3.0)."""

from dataclasses import dataclass

from healthvision.clinical.result import (
    Category,
    Code,
    Confidence,
    ExplicitNegative,
    Finding,
    Measurement,
    Text,
)
from healthvision.formats.fhir.datatypes import (
    Json,
    both,
    clean,
    concept,
    quantity,
    resource_id,
    spoken,
    uid_identifier,
    value_range,
)

PRESENT = Code(scheme="SCT", value="52101004", meaning="Present")
ABSENT = Code(scheme="SCT", value="2667000", meaning="Absent")
CONFIDENCE = Code(scheme="99HV", value="confidence", meaning="Confidence of the AI finding")
POSITION = Code(scheme="99HV", value="position-lps", meaning="Position in the patient (LPS, mm)")
EVIDENCE = Code(scheme="99HV", value="evidence-level", meaning="Evidence level")
IMAGING: Json = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "imaging",
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What all observations of one result share: references, status, times, labels."""

    result_id: str
    status: str
    subject: str
    device: str
    study: str
    issued: str
    effective: str | None
    meta: Json

    def base(self, kind: str, name: str, code: Json) -> Json:
        """Return an Observation with everything but its value."""
        found: Json = {
            "resourceType": "Observation",
            "id": resource_id(kind, self.result_id, name),
            "meta": self.meta,
            "status": self.status,
            "category": [IMAGING],
            "code": code,
            "subject": {"reference": self.subject},
            "issued": self.issued,
            "device": {"reference": self.device},
            "derivedFrom": [{"reference": self.study}],
        }
        if self.effective is not None:
            found["effectiveDateTime"] = self.effective
        return found


def finding_observation(finding: Finding, frame: Frame) -> Json:
    """Return one finding: present, with measurements, categories and confidence as components."""
    found = frame.base("finding", finding.tracking_id, concept(finding.code, finding.label))
    side = finding.location.laterality
    region = both(finding.location.region) + ("" if side is None else f" ({side.value})")
    code = finding.location.region_code
    body_site = spoken(region) if code is None else {**concept(code), "text": region}
    components: list[Json] = []
    for measurement in finding.measurements:
        components += _measurement_components(measurement)
    components += [
        {"code": concept(name), "valueCodeableConcept": concept(value)}
        for name, value in finding.attributes
    ]
    components += [_category_component(category) for category in finding.categories]
    components += _confidence_components(finding.confidence)
    components.append(_evidence_component(finding.evidence_level.value))
    if finding.location.position_lps_mm is not None:
        point = " ".join(f"{axis:.2f}" for axis in finding.location.position_lps_mm)
        components.append({"code": concept(POSITION), "valueString": point})
    return {
        **found,
        "identifier": [uid_identifier(finding.tracking_uid)],
        "valueCodeableConcept": concept(PRESENT),
        "bodySite": body_site,
        "method": spoken(finding.explanation.method),
        "note": _notes(finding),
        "component": list(components),
    }


def _notes(finding: Finding) -> "list[Json]":
    notes: list[Json] = [{"text": both(finding.explanation.text)}]
    for category in finding.categories:
        rules = ", ".join(step.rule for step in category.trace if step.matched)
        notes.append(
            {"text": clean(f"{category.guideline} {category.value}: {both(category.management)}"
                           f" [{rules}; {category.source}]")}
        )  # fmt: skip
        notes += [{"text": both(text)} for text in category.assumptions]
    return notes


def _measurement_components(measurement: Measurement) -> "list[Json]":
    code = concept(measurement.code, measurement.label)
    parts: list[Json] = [
        {"code": code, "valueQuantity": quantity(measurement.value, measurement.unit)}
    ]
    if measurement.interval is not None:
        parts.append(_interval_component(measurement.code, measurement))
    return parts


def _interval_component(code: Code, measurement: Measurement) -> Json:
    interval = measurement.interval
    if interval is None:
        raise ValueError("measurement has no interval")
    percent = f"{100 * interval.coverage:.0f} %"
    label = Text(
        zh=f"{measurement.label.zh} {percent} 区间",
        en=f"{measurement.label.en} {percent} interval",
    )
    own = Code(scheme="99HV", value=f"{code.value[:50]}-interval", meaning=label.en[:128])
    return {"code": concept(own, label), "valueRange": value_range(interval, measurement.unit)}


def _category_component(category: Category) -> Json:
    return {
        "code": {
            "coding": [{"system": "urn:healthvision:guidelines", "code": category.guideline}],
            "text": clean(category.guideline),
        },
        "valueCodeableConcept": spoken(category.value),
    }


def _confidence_components(confidence: Confidence) -> "list[Json]":
    code = concept(CONFIDENCE, Text(zh="置信度", en="Confidence"))
    if confidence.value is None:
        reason = confidence.reason_absent
        words = "-" if reason is None else both(reason)
        absent: Json = {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                    "code": "not-performed",
                }
            ],
            "text": words,
        }
        return [{"code": code, "dataAbsentReason": absent}]
    parts: list[Json] = [{"code": code, "valueQuantity": quantity(confidence.value, "1")}]
    if confidence.interval is not None:
        own = Code(scheme="99HV", value="confidence-interval", meaning="Interval of the confidence")
        parts.append({"code": concept(own), "valueRange": value_range(confidence.interval, "1")})
    return parts


def _evidence_component(level: str) -> Json:
    return {"code": concept(EVIDENCE), "valueCodeableConcept": spoken(level)}


def measurement_observation(measurement: Measurement, number: int, frame: Frame) -> Json:
    """Return one measurement of the whole study, e.g. a lung volume."""
    name = f"{number}-{measurement.code.value}"
    found = frame.base("measurement", name, concept(measurement.code, measurement.label))
    found["valueQuantity"] = quantity(measurement.value, measurement.unit)
    found["method"] = spoken(measurement.method)
    if measurement.interval is not None:
        found["component"] = [_interval_component(measurement.code, measurement)]
    return found


def negative_observation(negative: ExplicitNegative, number: int, frame: Frame) -> Json:
    """Return something that was looked for and is absent, with its detection limit as note."""
    name = f"{number}-{negative.code.value}"
    found = frame.base("negative", name, concept(negative.code, negative.label))
    found["valueCodeableConcept"] = concept(ABSENT)
    found["note"] = [{"text": both(negative.detection_limit)}]
    found["component"] = [_evidence_component(negative.evidence_level.value)]
    return found
