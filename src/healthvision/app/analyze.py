# SPDX-License-Identifier: Apache-2.0
"""``healthvision analyze``: one study from files, without a server."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from healthvision.clinical.result import Result, ResultStatus
from healthvision.domains.analysis import command
from healthvision.domains.analysis.errors import ParameterRefused
from healthvision.domains.analysis.parameters import check_parameters, told
from healthvision.domains.analysis.runner import Parameters, RunOptions
from healthvision.domains.modelhub.ports import Parameter
from healthvision.domains.modelhub.service import Engines, discover
from healthvision.kernel.errors import Busy, Problem

DONE, FAILED, BAD_INPUT, ABSTAINED = 0, 1, 2, 3
OUR_FAULT = (Busy,)
PARAM_HELP = (
    "name=value, stated by you; repeat it for other names. chest-xray: view_position=PA|AP, "
    "patient_age_years=0..130, for films whose header states none. brain-mri: series_uid, "
    "lesion_x, lesion_y, lesion_z (your mark, LPS mm)."
)


class BadParameter(ValueError):
    """A parameter the application does not have, or a value that cannot be; the text says it."""


def run(
    path: Path,
    application: str,
    folder: Path | None,
    as_json: bool,
    seed: int,
    stated: Sequence[str] = (),
) -> int:
    """Analyse, write and print; returns 0 result, 3 abstained, 2 bad input, 1 failure.

    ``stated``: parameters of the application as 'name=value'.
    """
    console = Console(stderr=True, highlight=False)
    if not path.exists():
        text = f"there is no {path}: give a DICOM, zip, NIfTI or image file, or a folder of them"
        console.print(f"[red]bad input[/]: {escape(text)}", soft_wrap=True)
        return BAD_INPUT
    target = (
        folder
        if folder is not None or as_json
        else Path(f"{path.stem.split('.')[0]}-{application}")
    )
    try:
        known = discover().get(application).manifest.parameters if stated else ()
        parameters = parse(application, known, stated)
        result = _analyze(console, path, application, target, seed, parameters)
    except BadParameter as error:
        console.print(f"[red]bad input[/]: {escape(str(error))}", soft_wrap=True)
        return BAD_INPUT
    except Problem as problem:
        bad = problem.status < 500 and not isinstance(problem, OUR_FAULT)
        named = problem.detail.startswith(f"{path.name}: ")
        text = escape(problem.detail if named else f"{path.name}: {problem.detail}")
        console.print(f"[red]{'bad input' if bad else 'failure'}[/]: {text}", soft_wrap=True)
        if bad:
            console.print(
                "Give a chest CT or another image the application takes, as DICOM, zip, NIfTI, "
                "PNG, JPEG or TIFF, or a folder of them.",
                soft_wrap=True,
            )
        return BAD_INPUT if bad else FAILED
    except OSError as error:
        console.print(f"[red]failure[/]: {error.strerror or error}: {error.filename}")
        return FAILED
    if as_json:
        sys.stdout.write(result.model_dump_json() + "\n")
    else:
        _tell(Console(highlight=False), result, target)
    return ABSTAINED if result.status is ResultStatus.ABSTAINED else DONE


def parse(application: str, known: Sequence[Parameter], stated: Sequence[str]) -> Parameters:
    """Return parameters by name; raises BadParameter with the list of those there are."""
    names = {parameter.name: parameter for parameter in known}
    values: dict[str, str | int | float | bool] = {}
    for text in stated:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            wrong = f"--param {text}: {application} takes {told(known)}; give name=value"
            raise BadParameter(wrong)
        if name in values:
            raise BadParameter(f"--param {text}: {name} is given twice")
        try:
            values[name] = names[name].parse(value) if name in names else value
            check_parameters(application, known, {name: values[name]})
        except ParameterRefused as refused:
            raise BadParameter(f"--param {text}: {refused.detail}") from None
        except ValueError as error:
            raise BadParameter(f"--param {text}: {name} is {error}") from None
    return values


def _analyze(
    console: Console,
    path: Path,
    application: str,
    folder: Path | None,
    seed: int,
    parameters: Parameters,
) -> Result:
    columns = (TextColumn("{task.description:<22}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        job = bar.add_task("reading", total=1.0)

        def progress(share: float, stage: str) -> None:
            bar.update(job, completed=share, description=stage)

        registry = discover()
        engines = Engines(shelf=registry.shelf)
        infer = engines.infer if engines else None
        options = RunOptions(seed=seed, parameters=parameters, progress=progress, infer=infer)
        return command.analyze_files([path], application, folder, run=options, registry=registry)


def _tell(console: Console, result: Result, folder: Path | None) -> None:
    if result.abstained_reason is not None:
        console.print(
            f"Abstained: {result.abstained_reason.en}\n不予判断：{result.abstained_reason.zh}"
        )
    else:
        console.print(f"{result.summary.en}\n{result.summary.zh}")
    for finding in result.findings:
        sizes = ", ".join(f"{m.label.en} {m.value:.1f} {m.unit}" for m in finding.measurements[:3])
        value = finding.confidence.value
        sure = "no confidence given" if value is None else f"confidence {value:.2f}"
        kinds = ", ".join(f"{c.guideline} {c.value}" for c in finding.categories) or "no category"
        console.print(
            f"- {finding.label.en}, {finding.location.region.en}: {sizes}; {kinds}; {sure}"
        )
    for measurement in result.measurements:
        unit = "HU" if measurement.unit == "[hnsf'U]" else measurement.unit
        console.print(f"  {measurement.label.en}: {measurement.value:.1f} {unit}")
    console.print("AI result, unverified. Decision support, not a diagnosis.")
    if folder is not None:
        console.print(f"Written to {folder}")
