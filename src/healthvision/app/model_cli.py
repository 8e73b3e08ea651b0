# SPDX-License-Identifier: Apache-2.0
"""``healthvision model``: bring an own model, look at it, take it out of use.

Exit codes: 0 done, 2 refused (with the reason).
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from healthvision.app import model_acts
from healthvision.app.language import either, say
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
    what = f"{escape(stored.entry.id)} {escape(stored.entry.version)}"
    folder = escape(str(stored.folder))
    text = either(
        f"[green]已添加[/]：{what}，位于{folder}。能访问此文件夹的进程即刻提供该模型，无需重启。",
        f"[green]added[/]: {what} in {folder}. Every process that sees this folder serves it from "
        "now on; no restart is needed.",
    )
    out.print(text, soft_wrap=True)


@model_cli.command("check")
def check(path: Given) -> None:
    """Check a model and try it on a phantom in the sandbox; store nothing."""
    configure_logging(level="WARNING", as_json=False)
    proposal, trial = adding.check(path)
    _tell(proposal.description, trial)
    out.print(either("未保存任何内容", "nothing was stored"))


@model_cli.command("list")
def list_models(
    retired: Annotated[bool, typer.Option("--retired", help="Show retired ones too.")] = False,
) -> None:
    """List the applications of this installation, built-in and added."""
    configure_logging(level="WARNING", as_json=False)
    registry = discover()
    head = ("id", "version", "from", "evidence", "title")
    table = Table(*(either("编号 版本 来源 证据 名称", " ".join(head)).split()))
    for newest in registry.newest():
        for item in registry.versions(newest.manifest.id):
            m = item.manifest
            origin = either("内置", "built-in")
            if item.stored is not None:
                origin = f"{either('添加于', 'added')} {item.stored.entry.added_at}"
            table.add_row(m.id, m.version, origin, m.evidence_level.value, escape(say(m.title)))
    if retired and registry.shelf is not None:
        for entry in registry.shelf.entries():
            if entry.state == "retired":
                ended = f"{either('停用于', 'retired')} {entry.retired_at}"
                table.add_row(entry.id, entry.version, ended, "", "")
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
        what = f"{escape(entry.id)} {escape(entry.version)}"
        out.print(either(f"已停用：{what}；其结果保留", f"retired: {what}; its results stay"))


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
    file = escape(str(target))
    text = either(
        f"已写入：{file}。其中说明如何取得权重及其许可；本程序不含任何权重。",
        f"written: {file}. It says how the weights are brought and under which licence; no weights "
        "are part of this program.",
    )
    out.print(text, soft_wrap=True)


def _tell(description: ModelDescription, trial: Trial) -> None:
    for line in _lines(description, trial):
        out.print(escape(line), soft_wrap=True)


def _lines(description: ModelDescription, trial: Trial) -> Iterator[str]:
    """Yield what a model says of itself and how it behaved, in the language of the terminal."""
    colon = either("：", ": ")
    yield f"{description.id} {description.version}{colon}{say(description.title)}"
    yield f"{either('接受', 'accepts')}{colon}{description.accepts}"
    file = description.file
    weights = "" if file is None else f", {file.weights}, SHA-256 {file.sha256}"
    yield f"{either('引擎', 'engine')}{colon}{description.engine.kind}{weights}"
    allowed = description.commercial_use
    yield either(
        f"权重许可：{description.licence}；{'可' if allowed else '不可'}用于商业",
        f"licence of the weights: {description.licence}; commercial use "
        f"{'allowed' if allowed else 'not allowed'}",
    )
    level = manifest_of(description).evidence_level.value
    yield f"{either('证据等级', 'evidence level')}{colon}{level}"
    same = either("两次一致", "the same twice")
    other = either("两次不一致", "NOT the same twice")
    yield (
        f"{either('体模试运行', 'dry run on a phantom')}{colon}{trial.wall_s:.1f} s, "
        f"{trial.peak_memory_mb} MB, {same if trial.repeatable else other}"
    )
    yield from (f"  {m}" for m in trial.measurements[:10])
    if not trial.responds:
        yield either(
            "警告：有无病灶的影像得到相同的回答",
            "WARNING: it gave the same answer for an image with and without an object",
        )


def _tell_broken(registry: Registry) -> None:
    for broken in registry.broken:
        out.print(f"[red]{escape(broken.name)}[/]: {escape(broken.reason)}", soft_wrap=True)
