# SPDX-License-Identifier: Apache-2.0
"""``healthvision model``: bring an own model, look at it, take it out of use.

Exit codes: 0 done, 2 refused (with the reason).
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from healthvision.app import model_acts
from healthvision.domains.modelhub import adding, templates
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.service import Registry, Shelf, discover
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import configure_logging

model_cli = typer.Typer(
    help="Own models: add, check, list, remove, template. docs/own-model.md says how.",
    no_args_is_help=True,
)
out = Console(highlight=False)
Given = Annotated[
    Path, typer.Argument(help="model.yaml or model.json, a folder with one, or a MONAI bundle.")
]


def _shelf() -> Shelf:
    configure_logging(level="WARNING", as_json=False)
    return Shelf(ModelhubSettings().models_folder())


@model_cli.command("add")
def add(
    path: Given,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; store nothing.")] = False,
) -> None:
    """Check a model, try it on a phantom in the sandbox, and serve it from then on."""
    if dry_run:
        check(path)
        return
    shelf = _shelf()
    stored, trial = asyncio.run(model_acts.add(CoreSettings(), shelf, path))
    _tell(stored.description, trial)
    out.print(
        f"[green]added[/]: {escape(stored.entry.id)} {escape(stored.entry.version)} in "
        f"{escape(str(stored.folder))}. Every process that sees this folder serves it from now on; "
        "no restart is needed.",
        soft_wrap=True,
    )


@model_cli.command("check")
def check(path: Given) -> None:
    """Check a model and try it on a phantom in the sandbox; store nothing."""
    configure_logging(level="WARNING", as_json=False)
    proposal, trial = adding.check(path)
    _tell(proposal.description, trial)
    out.print("nothing was stored")


@model_cli.command("list")
def list_models(
    retired: Annotated[bool, typer.Option("--retired", help="Show retired ones too.")] = False,
) -> None:
    """List the applications of this installation, built-in and added."""
    configure_logging(level="WARNING", as_json=False)
    registry = discover()
    table = Table("id", "version", "from", "evidence", "title")
    for newest in registry.newest():
        for item in registry.versions(newest.manifest.id):
            m = item.manifest
            origin = "built-in" if item.stored is None else f"added {item.stored.entry.added_at}"
            table.add_row(m.id, m.version, origin, m.evidence_level.value, escape(m.title.en))
    if retired and registry.shelf is not None:
        for entry in registry.shelf.entries():
            if entry.state == "retired":
                table.add_row(entry.id, entry.version, f"retired {entry.retired_at}", "", "")
    out.print(table)
    _tell_broken(registry)


@model_cli.command("remove")
def remove(
    model_id: Annotated[str, typer.Argument(help="Id of an added model.")],
    version: Annotated[
        str | None, typer.Option("--version", help="Only this version; default: all.")
    ] = None,
) -> None:
    """Take an added model out of use. Its results and its files stay."""
    for entry in asyncio.run(model_acts.remove(CoreSettings(), _shelf(), model_id, version)):
        out.print(f"retired: {escape(entry.id)} {escape(entry.version)}; its results stay")


@model_cli.command("template")
def template(
    name: Annotated[str, typer.Argument(help="Name of a template; 'list' tells all.")] = "list",
    to: Annotated[Path, typer.Option("--to", help="Folder that gets the model.yaml.")] = Path(),
) -> None:
    """Write a description of a well-known network, to be completed with your own weights."""
    if name == "list":
        for known in templates.names():
            out.print(known)
        return
    target = templates.write(name, to)
    out.print(
        f"written: {escape(str(target))}. It says how the weights are brought and under which "
        "licence; no weights are part of this program.",
        soft_wrap=True,
    )


def _tell(description: ModelDescription, trial: Trial) -> None:
    manifest = manifest_of(description)
    file = description.file
    lines = [
        f"{description.id} {description.version}: {description.title.en}",
        f"accepts: {description.accepts}",
        f"engine: {description.engine.kind}"
        + ("" if file is None else f", {file.weights}, SHA-256 {file.sha256}"),
        f"licence of the weights: {description.licence}; commercial use "
        f"{'allowed' if description.commercial_use else 'not allowed'}",
        f"evidence level: {manifest.evidence_level.value}",
        f"dry run on a phantom: {trial.wall_s:.1f} s, {trial.peak_memory_mb} MB, "
        f"{'the same twice' if trial.repeatable else 'NOT the same twice'}",
        *(f"  {m}" for m in trial.measurements[:10]),
    ]
    if not trial.responds:
        lines.append("WARNING: it gave the same answer for an image with and without an object")
    for line in lines:
        out.print(escape(line), soft_wrap=True)


def _tell_broken(registry: Registry) -> None:
    for broken in registry.broken:
        out.print(f"[red]{escape(broken.name)}[/]: {escape(broken.reason)}", soft_wrap=True)
