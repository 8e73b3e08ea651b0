# SPDX-License-Identifier: Apache-2.0
"""A doctor's signed report as a FHIR R4B bundle (also valid R4); see ``bundle`` for AI results."""

import base64

from fhir.resources.R4B.bundle import Bundle

from healthvision.formats.fhir.bundle import ALSO_VALID, FHIR_VERSION
from healthvision.formats.fhir.datatypes import (
    Json,
    clean,
    date_of,
    instant,
    resource_id,
    spoken,
    uid_identifier,
)
from healthvision.formats.reports.signed import SignedReport, sections, word

_GENDER = {"M": "male", "F": "female", "O": "other"}
_IDENTIFIERS = "http://terminology.hl7.org/CodeSystem/v2-0203"
_PARTICIPANTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def signed_report_bundle(report: SignedReport, *, pdf: bytes, base_url: str) -> Json:
    """Return the report as a Bundle of type collection, its first entry the DiagnosticReport.

    Status 'final', 'amended' from the second version on, 'appended' with addenda. ``pdf`` is its
    presented form. The Provenance names who signed and carries the digest. ``base_url``: an
    http(s) URL. Equal input gives an equal bundle.
    """
    patient, study = _patient(report), _study(report)
    author = _practitioner(report.report_id, "author", report.author_name)
    reviewer = _practitioner(report.report_id, "reviewer", report.reviewer_name)
    people = [author] if report.reviewer_name == report.author_name else [author, reviewer]
    main = _report(report, patient, study, people, pdf)
    resources = [main, patient, study, *people, _provenance(report, main, people)]
    base = base_url.rstrip("/")
    bundle: Json = {
        "resourceType": "Bundle",
        "id": resource_id("signed-bundle", report.report_id, str(report.number)),
        "meta": {
            "tag": [
                {"system": "urn:healthvision:fhir-version", "code": FHIR_VERSION},
                {"system": "urn:healthvision:fhir-also-valid", "code": ALSO_VALID},
            ]
        },
        "type": "collection",
        "timestamp": _issued(report),
        "entry": [{"fullUrl": f"{base}/{_ref(r)}", "resource": r} for r in resources],
    }
    Bundle.model_validate(bundle)
    return bundle


def _ref(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _issued(report: SignedReport) -> str:
    return instant(max([report.signed_at, *(a.signed_at for a in report.addenda)]))


def _status(report: SignedReport) -> str:
    if report.addenda:
        return "appended"
    return "amended" if report.version > 1 else "final"


def _report(
    report: SignedReport, patient: Json, study: Json, people: "list[Json]", pdf: bytes
) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/v2-0074"
    found: Json = {
        "resourceType": "DiagnosticReport",
        "id": resource_id("signed-report", report.report_id),
        "identifier": [{"system": "urn:healthvision:report", "value": clean(report.report_id)}],
        "status": _status(report),
        "category": [{"coding": [{"system": system, "code": "RAD"}]}],
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "18748-4",
                    "display": "Diagnostic imaging study",
                }
            ],
            "text": word("title", report.language),
        },
        "subject": {"reference": _ref(patient)},
        "issued": _issued(report),
        "resultsInterpreter": [{"reference": _ref(person)} for person in people],
        "imagingStudy": [{"reference": _ref(study)}],
        "text": {"status": "generated", "div": _narrative(report)},
        "presentedForm": [
            {
                "contentType": "application/pdf",
                "language": "zh-CN" if report.language == "zh" else "en",
                "data": base64.b64encode(pdf).decode("ascii"),
                "title": word("title", report.language),
                "creation": _issued(report),
            }
        ],
    }
    day = date_of(report.study_date)
    if day is not None:
        found["effectiveDateTime"] = day
    if report.impression.strip():
        found["conclusion"] = clean(report.impression)
    if report.polarity:
        code = "10828004" if report.polarity == "positive" else "260385009"
        coded: Json = {
            "system": "http://snomed.info/sct",
            "code": code,
            "display": report.polarity.capitalize(),
        }
        found["conclusionCode"] = [{"coding": [coded]}]
    return found


def _narrative(report: SignedReport) -> str:
    """Return the sections as XHTML; every text is escaped."""
    parts = [(word(key, report.language), text) for key, text in sections(report)]
    parts += [(word("addendum", report.language), a.text) for a in report.addenda]
    body = "".join(f"<h3>{_escaped(title)}</h3>{_lines(text)}" for title, text in parts)
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{body or "<p>-</p>"}</div>'


def _lines(text: str) -> str:
    return "".join(f"<p>{_escaped(line)}</p>" for line in text.splitlines() if line.strip())


def _escaped(text: str) -> str:
    plain = clean(text).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace(">", "&gt;").replace('"', "&quot;")


def _patient(report: SignedReport) -> Json:
    identifiers: list[Json] = [
        {"system": "urn:healthvision:patient", "value": clean(report.patient_key)}
    ]
    if report.patient_id:
        identifier: Json = {
            "type": {"coding": [{"system": _IDENTIFIERS, "code": "MR"}]},
            "value": clean(report.patient_id),
        }
        if report.issuer_of_patient_id:
            identifier["assigner"] = {"display": clean(report.issuer_of_patient_id)}
        identifiers.insert(0, identifier)
    found: Json = {
        "resourceType": "Patient",
        "id": resource_id("signed-patient", report.patient_key),
        "identifier": identifiers,
        "gender": _GENDER.get(report.patient_sex, "unknown"),
    }
    groups = [g.replace("^", " ").strip() for g in report.patient_name.split("=")]
    names: list[Json] = [{"text": clean(g)} for g in groups if g]
    if names:
        found["name"] = names
    born = date_of(report.patient_birth_date)
    if born is not None:
        found["birthDate"] = born
    return found


def _study(report: SignedReport) -> Json:
    identifiers = [uid_identifier(report.study_uid)]
    if report.accession_number:
        identifiers.append(
            {
                "type": {"coding": [{"system": _IDENTIFIERS, "code": "ACSN"}]},
                "value": clean(report.accession_number),
            }
        )
    found: Json = {
        "resourceType": "ImagingStudy",
        "id": resource_id("signed-study", report.patient_key, report.study_uid),
        "identifier": identifiers,
        "status": "available",
        "subject": {"reference": _ref(_patient(report))},
    }
    started = date_of(report.study_date)
    if started is not None:
        found["started"] = started
    if report.study_description.strip():
        found["description"] = clean(report.study_description)
    return found


def _practitioner(report_id: str, role: str, name: str) -> Json:
    return {
        "resourceType": "Practitioner",
        "id": resource_id("signed-by", report_id, role, name),
        "name": [{"text": clean(name)}],
    }


def _provenance(report: SignedReport, target: Json, people: "list[Json]") -> Json:
    agents: list[Json] = []
    for role, person in zip(("author", "verifier"), (people[0], people[-1]), strict=True):
        agents.append(
            {
                "type": {"coding": [{"system": _PARTICIPANTS, "code": role}]},
                "who": {"reference": _ref(person)},
            }
        )
    digest = report.addenda[-1].sha256 if report.addenda else report.sha256
    entity: Json = {
        "role": "source",
        "what": {"identifier": {"system": "urn:healthvision:signature-sha256", "value": digest}},
    }
    return {
        "resourceType": "Provenance",
        "id": resource_id("signed-provenance", report.report_id, str(report.number)),
        "target": [{"reference": _ref(target)}],
        "recorded": _issued(report),
        "activity": spoken("signature"),
        "agent": agents,
        "entity": [entity],
    }
