# SPDX-License-Identifier: Apache-2.0
"""Facts about the study and about how the result was computed, as name and value."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from healthvision.clinical.result import Result
from healthvision.formats.reports.words import LABELS, Speech


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value; ``wide`` values need a line of their own."""

    name: str
    value: str
    wide: bool = False


def inputs_digest(result: Result) -> str:
    """Return the SHA-256 over the sorted input digests: one value for all inputs together."""
    together = hashlib.sha256()
    for digest in sorted(item.sha256 for item in result.inputs):
        together.update(bytes.fromhex(digest))
    return together.hexdigest()


def moment(value: datetime) -> str:
    """Return a time to the second with its offset, e.g. '2026-11-21 08:30:00 +0800'."""
    return value.strftime("%Y-%m-%d %H:%M:%S %z").strip()


def date_text(value: str | None) -> str:
    """Return a DICOM date as people write it, '–' when there is none."""
    if value is None:
        return "–"
    if len(value) == 8 and value.isdigit():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value


def study_facts(result: Result, speech: Speech, patient_name: str | None) -> tuple[Fact, ...]:
    """Return the head of the report: patient, study, series, application."""
    patient, series = result.patient, result.series
    sex = patient.sex or ""
    age = patient.age_years
    facts = [] if patient_name is None else [Fact(speech.label("patient-name"), patient_name)]
    facts += [
        Fact(speech.label("patient-id"), patient.patient_id or "–"),
        Fact(speech.label("sex"), speech.short(LABELS[sex]) if sex in ("M", "F", "O") else "–"),
        Fact(speech.label("age"), "–" if age is None else f"{age} {speech.label('years')}"),
        Fact(speech.label("accession"), result.accession_number or "–"),
        Fact(speech.label("study-date"), date_text(result.study_date)),
        Fact(speech.label("priority"), speech.label(result.priority.value)),
        Fact(speech.label("finished"), moment(result.timings.finished_at)),
        Fact(speech.label("application"), f"{result.application.id} {result.application.version}"),
        Fact(speech.label("study-uid"), result.study_uid, wide=True),
    ]
    if series is not None:
        described = f"{series.modality}  {series.description}  {series.series_uid}"
        facts.append(Fact(speech.label("series"), described, wide=True))
    return tuple(facts)


def provenance(result: Result, speech: Speech) -> tuple[Fact, ...]:
    """Return how the result was computed: enough to repeat it."""
    application, series = result.application, result.series
    weights = application.weights_sha256 or speech.label("no-weights")
    rows = [
        ("application", f"{application.id} {application.version}"),
        ("weights", weights),
        ("environment", application.environment_sha256),
        ("seed", str(application.seed)),
        ("inputs-count", str(len(result.inputs))),
        ("inputs-digest", inputs_digest(result)),
    ]
    if series is not None:
        rows.append(("series-reason", speech.short(series.reason)))
        rows += [("series-rejected", f"{uid}: {speech.short(why)}") for uid, why in series.rejected]
    rows.append(("timings", _timings(result, speech)))
    if result.timings.stages_s:
        stages = sorted(result.timings.stages_s.items(), key=lambda item: (-item[1], item[0]))
        rows.append(("stages", ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stages)))
    rows.append(("evidence-result", speech.label(result.evidence_level.value)))
    rows.append(("result-id", result.id))
    rows.append(("result-version", f"{result.version} (schema {result.schema_version})"))
    if result.supersedes is not None:
        rows.append(("supersedes", result.supersedes))
    return tuple(Fact(speech.label(key), value, wide=True) for key, value in rows)


def _timings(result: Result, speech: Speech) -> str:
    timings = result.timings
    seconds = (timings.finished_at - timings.started_at).total_seconds()
    parts = [f"{speech.label('started')} {moment(timings.started_at)}", f"{seconds:.1f} s"]
    if timings.last_instance_at is not None:
        parts.insert(0, f"{speech.label('last-instance')} {moment(timings.last_instance_at)}")
    if timings.deadline_at is not None:
        kept = timings.finished_at <= timings.deadline_at
        parts.append(speech.label("deadline-kept" if kept else "deadline-missed"))
    return "; ".join(parts)
