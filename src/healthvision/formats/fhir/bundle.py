# SPDX-License-Identifier: Apache-2.0
"""A ``Result`` as a FHIR bundle: DiagnosticReport, Observations, Device, Provenance and more.

The bundle is validated with ``fhir.resources.R4B``, that is FHIR R4B 4.3.0. It uses Bundle,
Patient, ImagingStudy, Device, Observation, DiagnosticReport and Provenance only; none of these
was changed between R4 4.0.1 and R4B 4.3.0, so each of them is also a valid R4 4.0.1 resource.
``Bundle.meta.tag`` says the same to machines.
"""

import base64
import hashlib
from urllib.parse import urlsplit

from fhir.resources.R4B.bundle import Bundle

from healthvision.clinical.result import GateOutcome, Result, ResultStatus, VerificationState
from healthvision.formats.fhir.datatypes import (
    FhirInputError,
    Json,
    both,
    clean,
    date_of,
    instant,
    is_uid,
    resource_id,
    spoken,
    uid_identifier,
)
from healthvision.formats.fhir.observations import (
    Frame,
    finding_observation,
    measurement_observation,
    negative_observation,
)
from healthvision.formats.reports.provenance import inputs_digest

FHIR_VERSION = "4.3.0"
ALSO_VALID = "4.0.1"

_GENDER = {"M": "male", "F": "female", "O": "other"}
_MODALITY = "http://dicom.nema.org/resources/ontology/DCM"


def diagnostic_report_bundle(result: Result, *, pdf: bytes | None, base_url: str) -> Json:
    """Return the result as a FHIR R4B Bundle of type collection, as plain JSON values.

    The first entry is the DiagnosticReport (status preliminary; cancelled once a doctor rejected
    the result), marked as asserted by AI. ``pdf``: the report to embed. ``base_url``: the FHIR
    base of full URLs, e.g. 'https://host/fhir'. Ids are UUIDs (version 5) of the result's own
    ids: equal input gives an equal bundle. No patient name is in it.

    Raises ``FhirInputError`` for a base URL that is no http(s) URL and for times without zone.
    """
    base = _checked(base_url)
    patient, study, device = _patient(result), _study(result), _device(result)
    frame = _frame(result, patient=patient, study=study, device=device)
    observations = _observations(result, frame)
    report = _report(result, frame, observations, pdf)
    provenance = _provenance(result, frame, [report, *observations])
    resources = [report, *observations, patient, study, device, provenance]
    bundle: Json = {
        "resourceType": "Bundle",
        "id": resource_id("bundle", result.id),
        "meta": {
            "tag": [
                {"system": "urn:healthvision:fhir-version", "code": FHIR_VERSION},
                {"system": "urn:healthvision:fhir-also-valid", "code": ALSO_VALID},
            ]
        },
        "identifier": {"system": "urn:healthvision:result", "value": clean(result.id)},
        "type": "collection",
        "timestamp": instant(result.timings.finished_at),
        "entry": [{"fullUrl": f"{base}/{_reference(r)}", "resource": r} for r in resources],
    }
    Bundle.model_validate(bundle)
    return bundle


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise FhirInputError(f"base_url: {base_url!r} is no http(s) URL without query")
    return base_url.rstrip("/")


def _reference(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _frame(result: Result, *, patient: Json, study: Json, device: Json) -> Frame:
    rejected = result.verification is VerificationState.REJECTED
    return Frame(
        result_id=result.id,
        status="cancelled" if rejected else "preliminary",
        subject=_reference(patient),
        device=_reference(device),
        study=_reference(study),
        issued=instant(result.timings.finished_at),
        effective=date_of(result.study_date),
        meta={
            "security": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
                    "code": "AIAST",
                    "display": "Artificial Intelligence asserted",
                }
            ],
            "tag": [{"system": "urn:healthvision:verification", "code": result.verification.value}],
        },
    )


def _patient(result: Result) -> Json:
    ref = result.patient
    found: Json = {
        "resourceType": "Patient",
        "id": resource_id("patient", result.org_id, ref.issuer, ref.patient_id, ref.patient_key),
        "gender": _GENDER.get(ref.sex or "", "unknown"),
    }
    identifiers: list[Json] = []
    if ref.patient_id is not None:
        identifier: Json = {
            "type": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                        "code": "MR",
                    }
                ]
            },
            "value": clean(ref.patient_id),
        }
        if ref.issuer is not None:
            identifier["assigner"] = {"display": clean(ref.issuer)}
        identifiers.append(identifier)
    if ref.patient_key is not None:
        identifiers.append({"system": "urn:healthvision:patient", "value": clean(ref.patient_key)})
    if identifiers:
        found["identifier"] = list(identifiers)
    return found


def _study(result: Result) -> Json:
    identifiers = [uid_identifier(result.study_uid)]
    if result.accession_number:
        identifiers.append(
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                            "code": "ACSN",
                        }
                    ]
                },
                "value": clean(result.accession_number),
            }
        )
    found: Json = {
        "resourceType": "ImagingStudy",
        "id": resource_id("study", result.org_id, result.study_uid),
        "identifier": list(identifiers),
        "status": "available",
        "subject": {"reference": _reference(_patient(result))},
    }
    started = date_of(result.study_date)
    if started is not None:
        found["started"] = started
    series = result.series
    if series is not None and is_uid(series.series_uid):
        modality: Json = {"system": _MODALITY, "code": clean(series.modality)}
        one: Json = {
            "uid": series.series_uid,
            "modality": modality,
            "numberOfInstances": len(result.inputs),
        }
        if series.description.strip():
            one["description"] = clean(series.description)
        found["modality"] = [modality]
        found["series"] = [one]
    return found


def _device(result: Result) -> Json:
    app = result.application
    identifiers: list[Json] = [
        {"system": "urn:healthvision:application", "value": clean(f"{app.id}@{app.version}")},
        {"system": "urn:healthvision:environment-sha256", "value": clean(app.environment_sha256)},
    ]
    if app.weights_sha256 is not None:
        identifiers.append(
            {"system": "urn:healthvision:weights-sha256", "value": clean(app.weights_sha256)}
        )
    return {
        "resourceType": "Device",
        "id": resource_id(
            "device", app.id, app.version, app.weights_sha256, app.environment_sha256
        ),
        "identifier": list(identifiers),
        "status": "active",
        "deviceName": [{"name": both(app.title), "type": "user-friendly-name"}],
        "type": spoken("AI application (software, decision support, not a medical device)"),
        "version": [{"value": clean(app.version)}],
    }


def _observations(result: Result, frame: Frame) -> "list[Json]":
    found = [finding_observation(finding, frame) for finding in result.findings]
    found += [measurement_observation(m, i, frame) for i, m in enumerate(result.measurements, 1)]
    found += [negative_observation(n, i, frame) for i, n in enumerate(result.negatives, 1)]
    return found


def _report(result: Result, frame: Frame, observations: "list[Json]", pdf: bytes | None) -> Json:
    report: Json = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("report", result.id),
        "meta": frame.meta,
        "identifier": [{"system": "urn:healthvision:result", "value": clean(result.id)}],
        "status": frame.status,
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}
        ],
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "18748-4",
                    "display": "Diagnostic imaging study",
                }
            ],
            "text": both(result.application.title),
        },
        "subject": {"reference": frame.subject},
        "issued": frame.issued,
        "imagingStudy": [{"reference": frame.study}],
        "conclusion": _conclusion(result),
    }
    if frame.effective is not None:
        report["effectiveDateTime"] = frame.effective
    if observations:
        report["result"] = [{"reference": _reference(one)} for one in observations]
    if pdf is not None:
        report["presentedForm"] = [_attachment(pdf, result, frame.issued)]
    return report


def _conclusion(result: Result) -> str:
    state = "AI 结果，未经医生确认 / AI result, unverified"
    parts = [state] if result.verification is VerificationState.AI_UNVERIFIED else []
    if result.status is ResultStatus.ABSTAINED and result.abstained_reason is not None:
        parts.append(f"不予判断 / Abstained: {both(result.abstained_reason)}")
    parts.append(both(result.summary))
    parts += [
        f"[{gate.outcome.value}] {gate.id}: {both(gate.reason)}"
        for gate in result.gates
        if gate.outcome is not GateOutcome.PASSED
    ]
    parts += [both(text) for text in result.limitations]
    return clean("\n".join(parts))


def _attachment(pdf: bytes, result: Result, created: str) -> Json:
    digest = hashlib.sha1(pdf, usedforsecurity=False).digest()  # FHIR Attachment.hash is SHA-1
    return {
        "contentType": "application/pdf",
        "data": base64.b64encode(pdf).decode("ascii"),
        "size": len(pdf),
        "hash": base64.b64encode(digest).decode("ascii"),
        "title": clean(f"{result.application.id} {result.id}"),
        "creation": created,
    }


def _provenance(result: Result, frame: Frame, targets: "list[Json]") -> Json:
    timings = result.timings
    digest: Json = {"system": "urn:healthvision:inputs-sha256", "value": inputs_digest(result)}
    return {
        "resourceType": "Provenance",
        "id": resource_id("provenance", result.id),
        "target": [{"reference": _reference(target)} for target in targets],
        "occurredPeriod": {
            "start": instant(timings.started_at),
            "end": instant(timings.finished_at),
        },
        "recorded": frame.issued,
        "activity": spoken("AI analysis"),
        "agent": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/"
                            "provenance-participant-type",
                            "code": "assembler",
                        }
                    ]
                },
                "who": {"reference": frame.device},
            }
        ],
        "entity": [
            {"role": "source", "what": {"reference": frame.study}},
            {"role": "source", "what": {"identifier": digest}},
        ],
    }
