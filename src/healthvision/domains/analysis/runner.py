# SPDX-License-Identifier: Apache-2.0
"""From a study to a full Result: one pipeline for the worker and the command line. No database."""

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from healthvision import __version__
from healthvision.clinical.result import (
    ApplicationRef,
    Finding,
    InputDigest,
    PatientRef,
    Priority,
    Result,
    ResultStatus,
    Timings,
)
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SliceRef
from healthvision.domains.analysis import child
from healthvision.domains.analysis.codec import BadOutput, decode, decode_slices
from healthvision.domains.analysis.errors import ApplicationMisbehaved
from healthvision.domains.analysis.inputs import SourceObject, StudySource, digests
from healthvision.domains.modelhub.ports import Budget, EvidenceRecord
from healthvision.domains.modelhub.service import Installed, level_of_finding, supported_level
from healthvision.kernel import sandbox
from healthvision.kernel.clock import now
from healthvision.kernel.sandbox_desk import Answerer

Parameters = Mapping[str, str | int | float | bool]
_LIBRARIES = ("numpy", "scipy", "SimpleITK", "pydicom", "python-gdcm", "pillow")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run. ``progress`` gets (0..1, stage id); ``cancelled`` is asked all the time.

    ``network``: True leaves the child's network on; only for development. ``infer``: asks an
    inference engine (name, values), called in a thread.
    """

    seed: int = 0
    parameters: Parameters = field(default_factory=dict)
    progress: Callable[[float, str], None] | None = None
    cancelled: Callable[[], bool] | None = None
    budget: Budget | None = None  # None: the manifest's
    network: bool = False
    infer: Answerer | None = None


@dataclass(frozen=True, eq=False, slots=True)
class RunOutcome:
    """What one run gave, before it has ids.

    ``objects``: the input objects. ``slices``: origin of each slice of the analysed volume, ()
    when none was analysed. ``peak_memory_mb``: resident, sampled.
    """

    application: Installed
    output: ApplicationOutput
    series: tuple[SeriesHeader, ...]
    objects: tuple[SourceObject, ...]
    inputs: tuple[InputDigest, ...]
    slices: tuple[SliceRef, ...]
    seed: int
    environment_sha256: str
    started_at: datetime
    finished_at: datetime
    peak_memory_mb: int


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What a result is besides what the application said: ids, clock, place in a history."""

    id: str
    task_id: str | None = None
    org_id: str | None = None
    space_id: str | None = None
    patient_key: str | None = None
    organisation: str | None = None  # its name, for images that name no institution
    priority: Priority = Priority.ROUTINE
    last_instance_at: datetime | None = None
    submitted_at: datetime | None = None
    deadline_at: datetime | None = None
    version: int = 1
    supersedes: str | None = None


@cache
def environment_sha256() -> str:
    """Return a digest of interpreter, machine and libraries that can change a result."""
    lines = [f"healthvision {__version__}", platform.python_version(), platform.machine()]
    for name in _LIBRARIES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def run_application(
    application: Installed, study: StudySource, options: RunOptions | None = None
) -> RunOutcome:
    """Run an application on a study in the sandbox; blocks until it answered.

    Raises SandboxFailed (with the reason), SandboxUnavailable, ModelChanged when a file of an
    added model is not the one that was added, or ApplicationMisbehaved when the answer is not as
    the contract says.
    """
    options = options or RunOptions()
    budget = options.budget or application.manifest.budget
    objects = study.inputs_of(application)
    started = now()
    size = sum(_size(o) for o in objects) + application.material_bytes
    with sandbox.Bundle(size) as bundle:
        material = application.material(bundle.add)
        files: dict[str, list[int]] = {}
        for item in objects:
            index = bundle.add(item.header.sop_uid, item.read())
            files.setdefault(item.header.series_uid, []).append(index)
        outcome = sandbox.run(
            child.TARGET,
            {
                "application": application.target,
                "seed": options.seed,
                "parameters": dict(options.parameters),
                "series": child.HEADERS.dump_python(list(study.series), mode="json"),
                "files": files,
                "infer": options.infer is not None,
                "material": material,
            },
            bundle,
            limits=_limits(budget),
            network=options.network,
            progress=options.progress,
            cancelled=options.cancelled,
            answerer=options.infer,
        )
    output, slices = _answer(outcome, study)
    return RunOutcome(
        application=application,
        output=output,
        series=study.series,
        objects=objects,
        inputs=digests(objects),
        slices=slices,
        seed=options.seed,
        environment_sha256=environment_sha256(),
        started_at=started,
        finished_at=now(),
        peak_memory_mb=outcome.peak_memory_mb,
    )


def _size(item: SourceObject) -> int:
    return (item.header.pixel_length or 0) + 4096


def _limits(budget: Budget) -> sandbox.Limits:
    return sandbox.Limits(
        memory_mb=budget.memory_mb,
        cpu_seconds=budget.cpu_seconds,
        wall_seconds=budget.wall_seconds,
        threads=budget.threads,
    )


def _answer(
    outcome: sandbox.SandboxOutcome, study: StudySource
) -> tuple[ApplicationOutput, tuple[SliceRef, ...]]:
    """Validate the answer; what it says about images must be about the images it was given."""
    answer = outcome.answer
    if not isinstance(answer, dict) or not isinstance(answer.get("slices"), dict):
        raise ApplicationMisbehaved("the answer is no object with output and slices")
    try:
        output = decode(answer.get("output"), outcome.array)
        chosen = output.chosen.series_uid if output.chosen else None
        slices = decode_slices(answer["slices"][chosen]) if chosen in answer["slices"] else ()
    except BadOutput as error:
        raise ApplicationMisbehaved(str(error)) from None
    _check_references(output, study)
    labels = output.segmentation
    if labels is not None and labels.labels.shape[0] != len(slices):
        raise ApplicationMisbehaved("the label map has another number of slices than the series")
    return output, slices


def _check_references(output: ApplicationOutput, study: StudySource) -> None:
    if output.chosen is not None and output.chosen.series_uid not in study.objects:
        raise ApplicationMisbehaved("the chosen series is not in the study")
    known = {o.header.sop_uid for group in study.objects.values() for o in group}
    for finding in output.findings:
        place = finding.location
        if place.series_uid is not None and place.series_uid not in study.objects:
            raise ApplicationMisbehaved(f"{finding.tracking_id}: its series is not in the study")
        if place.sop_instance_uid is not None and place.sop_instance_uid not in known:
            raise ApplicationMisbehaved(f"{finding.tracking_id}: its slice is not in the study")


def build_result(outcome: RunOutcome, facts: ResultFacts) -> Result:
    """Return the full Result; no evidence level in it is above what the records support."""
    manifest, output = outcome.application.manifest, outcome.output
    level = min(manifest.evidence_level, supported_level(manifest.evidence))
    header = _header(outcome)
    return Result(
        id=facts.id,
        task_id=facts.task_id,
        org_id=facts.org_id,
        space_id=facts.space_id,
        study_uid=header.study_uid,
        accession_number=header.accession_number,
        study_date=header.study_date,
        institution=_institution(outcome, header.series_uid) or facts.organisation,
        patient=PatientRef(
            patient_key=facts.patient_key,
            patient_id=header.patient_id,
            issuer=header.issuer,
            sex=header.patient_sex,
            age_years=header.patient_age_years,
        ),
        series=output.chosen,
        inputs=outcome.inputs,
        application=ApplicationRef(
            id=manifest.id,
            version=manifest.version,
            title=manifest.title,
            weights_sha256=outcome.application.weights_sha256,
            environment_sha256=outcome.environment_sha256,
            seed=outcome.seed,
        ),
        status=ResultStatus.ABSTAINED if output.abstained else ResultStatus.COMPLETE,
        abstained_reason=output.abstained,
        priority=facts.priority,
        timings=Timings(
            last_instance_at=facts.last_instance_at,
            submitted_at=facts.submitted_at,
            started_at=outcome.started_at,
            finished_at=outcome.finished_at,
            deadline_at=facts.deadline_at,
            stages_s=output.stages_s,
        ),
        gates=output.gates,
        findings=tuple(_honest(finding, manifest.evidence) for finding in output.findings),
        measurements=output.measurements,
        categories=output.categories,
        negatives=tuple(
            n.model_copy(update={"evidence_level": min(n.evidence_level, level)})
            for n in output.negatives
        ),
        summary=output.summary,
        limitations=output.limitations or manifest.limitations,
        evidence_level=level,
        version=facts.version,
        supersedes=facts.supersedes,
    )


def _header(outcome: RunOutcome) -> SeriesHeader:
    chosen = outcome.output.chosen
    uid = chosen.series_uid if chosen else outcome.objects[0].header.series_uid
    return next(header for header in outcome.series if header.series_uid == uid)


def _institution(outcome: RunOutcome, series_uid: str) -> str:
    """Return Institution Name (0008,0080) of the series analysed, '' when none is stated."""
    named = (o.header.institution for o in outcome.objects if o.header.series_uid == series_uid)
    return next((name for name in named if name), "")


def _honest(finding: Finding, records: Sequence[EvidenceRecord]) -> Finding:
    """Show no level that the records about this kind of finding do not support."""
    level = min(finding.evidence_level, level_of_finding(records, finding.code.value))
    return finding.model_copy(update={"evidence_level": level})
