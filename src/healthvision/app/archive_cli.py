# SPDX-License-Identifier: Apache-2.0
"""``healthvision archive``: check, take out, and make the index again, also with the service down.

Exit codes: 0 all is well, 1 something is damaged or could not be done, 2 it could not be tried.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.archive import service as archive
from healthvision.kernel.db import DatabaseUnavailable
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import configure_logging

archive_cli = typer.Typer(
    help="Stored images: check them, take them out, make their index again.", no_args_is_help=True
)
out, err = Console(), Console(stderr=True)
MOST_SHOWN = 50


def _core() -> CoreSettings:
    core = CoreSettings()
    configure_logging(level="WARNING", as_json=core.log_json)
    at = schema.current(core.resolved_database_url())
    if at != schema.head():
        seen = "is empty" if at is None else f"has the schema {at}, not {schema.head()}"
        remedy = "check HV_DATABASE_URL, or run: healthvision migrate"
        raise DatabaseUnavailable(f"the database {seen}; {remedy}")
    return core


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True)


def _tell(wrong: list[tuple[str, str]]) -> None:
    for what, why in wrong[:MOST_SHOWN]:
        err.print(f"[red]{escape(what)}[/]: {escape(why)}", soft_wrap=True)
    if len(wrong) > MOST_SHOWN:
        err.print(f"and {len(wrong) - MOST_SHOWN} more")


@archive_cli.command("verify")
def verify(
    full: Annotated[bool, typer.Option("--full", help="Read and check every byte.")] = False,
) -> None:
    """Check that every stored instance is where its row says; with --full every byte of it."""
    raise typer.Exit(asyncio.run(_verify(_core(), full)))


async def _verify(core: CoreSettings, full: bool) -> int:
    result = archive.Verified()
    async with open_process(core, MODULES, make_key=False) as db:
        with _bar() as bar:
            task = bar.add_task("verify", total=sum(await archive.count_stored(db)))
            async for done in archive.verify(db, result, full=full):
                bar.advance(task, done)
    _tell(result.wrong)
    out.print(f"series objects: {result.packs}, instances: {result.instances}")
    out.print(f"damaged or missing: {len(result.wrong)}")
    return 1 if result.wrong else 0


@archive_cli.command("export")
def export(
    folder: Annotated[Path, typer.Option("--out", help="Folder for the files.")],
    study: Annotated[str | None, typer.Option(help="Only this Study Instance UID.")] = None,
    space: Annotated[str | None, typer.Option(help="Only this space (slug or id).")] = None,
) -> None:
    """Write everything as plain DICOM files <study>/<series>/<instance>.dcm; can be gone on with.

    The files are not encrypted. Each is checked against its SHA-256.
    """
    raise typer.Exit(asyncio.run(_export(_core(), folder, study, space)))


async def _export(core: CoreSettings, folder: Path, study: str | None, space: str | None) -> int:
    result = archive.Exported()
    async with open_process(core, MODULES, make_key=False) as db:
        wanted = await archive.to_export(db, study_uid=study, space=space)
        folder.mkdir(parents=True, exist_ok=True)
        with _bar() as bar:
            task = bar.add_task("export", total=len(wanted))
            for org_id, study_id in wanted:
                await archive.export_plain(db, folder, org_id, study_id, result)
                bar.advance(task)
    _tell(result.failed)
    out.print(f"files written: {result.files}, there before: {result.kept}")
    out.print(f"failed: {len(result.failed)}")
    return 1 if result.failed else 0


@archive_cli.command("rebuild-index")
def rebuild_index() -> None:
    """Make missing rows of studies again from the series objects and journals.

    Stop the service first. Needed: the stores, the master key, and a database that has the
    organisations and their keys (a backup of any age, with or without studies).
    """
    raise typer.Exit(asyncio.run(_rebuild(_core())))


async def _rebuild(core: CoreSettings) -> int:
    result = archive.Rebuilt()
    async with open_process(core, MODULES, make_key=False) as db:
        packs = await archive.find_packs(db)
        with _bar() as bar:
            task = bar.add_task("rebuild", total=len(packs))
            async for _ in archive.rebuild_index(db, packs, result):
                bar.advance(task)
    _tell([(text, "not rebuilt") for text in result.failed])
    out.print(f"series objects: {result.packs}, instances known: {result.known}")
    out.print(f"added: {result.added}, pointed to their place: {result.mended}")
    out.print(f"failed: {len(result.failed)}")
    return 1 if result.failed else 0
