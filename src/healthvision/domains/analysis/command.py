# SPDX-License-Identifier: Apache-2.0
"""Analysis without a server: files in, a folder with the result and everything about it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from healthvision.clinical.result import Result
from healthvision.domains.analysis.errors import NoImages, SeveralStudies
from healthvision.domains.analysis.inputs import SourceObject, StudySource, is_input, study_source
from healthvision.domains.analysis.intake import take_in
from healthvision.domains.analysis.outputs import Encoding, Written, html, write
from healthvision.domains.analysis.runner import (
    ResultFacts,
    RunOptions,
    build_result,
    run_application,
)
from healthvision.domains.modelhub.service import Registry, discover
from healthvision.formats.reports.words import Language
from healthvision.kernel.clock import new_id, now


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How files are analysed and what is written.

    ``study_uid``: which study when the files hold several. ``modality``: of NIfTI and pictures.
    """

    study_uid: str | None = None
    modality: str = ""
    language: Language = "both"
    seg_encoding: Encoding = "LABELMAP"


def analyze_files(
    paths: Sequence[Path],
    application_id: str | None = None,
    out_dir: Path | None = None,
    *,
    run: RunOptions | None = None,
    options: FileOptions | None = None,
    registry: Registry | None = None,
) -> Result:
    """Analyse files or folders and return the Result.

    With ``out_dir`` it gets result.json, report.pdf, report.html, seg.dcm, sr.dcm, pdf.dcm, and
    per key image a PNG and a Secondary Capture. Without ``application_id`` the first one that
    fits is taken. Raises UnreadableInput, NoImages, SeveralStudies, NoApplicationFits,
    ApplicationNotFound, SandboxFailed and what ``run_application`` raises.
    """
    options = options or FileOptions()
    submitted = now()
    intake = take_in(paths, modality=options.modality)
    study = _one_study(intake.objects, options.study_uid)
    application = (registry or discover()).pick(application_id, study.series)
    outcome = run_application(application, study, run)
    result = build_result(outcome, ResultFacts(id=str(new_id()), submitted_at=submitted))
    written = write(result, outcome, language=options.language, seg_encoding=options.seg_encoding)
    if out_dir is not None:
        _save(written, out_dir, options.language)
    return written.result


def _one_study(objects: Sequence[SourceObject], study_uid: str | None) -> StudySource:
    images = [o for o in objects if is_input(o.header)]
    uids = sorted({o.header.study_uid for o in images})
    if study_uid is not None:
        images = [o for o in images if o.header.study_uid == study_uid]
        if not images:
            raise NoImages("the files hold no image of the wanted study", study_uid=study_uid)
    elif len(uids) > 1:
        shown = ", ".join(uids[:5])
        raise SeveralStudies(f"the files hold {len(uids)} studies, choose one: {shown}")
    return study_source(images)


def _save(written: Written, folder: Path, language: Language) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = written.result.model_dump_json(indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.pdf").write_bytes(written.pdf)
    (folder / "report.html").write_text(html(written, language), encoding="utf-8")
    for item in written.objects:
        (folder / f"{item.name}.dcm").write_bytes(item.data)
    for name, data in written.pictures.items():
        (folder / name).write_bytes(data)
