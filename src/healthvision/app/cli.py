# SPDX-License-Identifier: Apache-2.0
"""The command ``healthvision``."""

import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from healthvision import __version__
from healthvision.app import (
    accounts,
    analyze,
    checks,
    configuration,
    reference,
    remote,
    roles,
    schema,
    supervise,
)
from healthvision.app.archive_cli import archive_cli
from healthvision.app.demo import story
from healthvision.app.doctor import examine
from healthvision.app.model_cli import model_cli
from healthvision.app.modules import MODULES
from healthvision.app.placement import OtherHost
from healthvision.app.process import open_process
from healthvision.domains.audit import service as audit
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.errors import Problem
from healthvision.kernel.masterkey import BadMasterKey
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import configure_logging

cli = typer.Typer(
    help="HealthVision: images in, explained results out. Decision support, not a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
run_cli = typer.Typer(help="Start one role (same settings, other processes).", no_args_is_help=True)
audit_cli = typer.Typer(help="The tamper-evident log.", no_args_is_help=True)
user_cli = typer.Typer(help="First accounts, for the person who installs.", no_args_is_help=True)
cli.add_typer(run_cli, name="run")
cli.add_typer(audit_cli, name="audit")
cli.add_typer(archive_cli, name="archive")
cli.add_typer(user_cli, name="account")
cli.add_typer(model_cli, name="model")
remote.add_to(cli)
out, err = Console(), Console(stderr=True)


def _core() -> CoreSettings:
    core = CoreSettings()
    configure_logging(level=core.log_level, as_json=core.log_json)
    strange = configuration.unknown()
    if strange:
        names = ", ".join(strange)
        text = f"[yellow]warning[/]: nobody reads {escape(names)}; healthvision doctor says more"
        err.print(text, soft_wrap=True)
    return core


@cli.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@cli.command()
def up(
    processes: Annotated[
        bool | None,
        typer.Option(
            "--processes/--one-process",
            help="A process for each role, restarted when it dies; default: HV_PROCESSES.",
        ),
    ] = None,
) -> None:
    """Start the platform: API, worker, embedded database and storage."""
    core = _core()
    trouble = roles.dicom_trouble(DimseSettings())
    if trouble is not None:
        err.print(f"[yellow]warning[/]: {escape(trouble)}", soft_wrap=True)
    address = f"http://{core.host}:{core.port}"
    apart = core.processes if processes is None else processes
    if not apart:
        roles.run_all(
            core, lambda: err.print(f"HealthVision is up: {address}/docs (Ctrl+C stops it)")
        )
        return
    roles.bind(core.host, core.port).close()
    roles.prepare(core)
    names = [role.name for role in roles.ROLES if role.alone and role.wanted()]
    text = f"HealthVision starts {', '.join(names)}: {address}/docs (Ctrl+C stops it)"
    raise typer.Exit(supervise.run(names, lambda: err.print(text)))


def _add_role(role: roles.Role) -> None:
    @run_cli.command(role.name, help=role.help)
    def run_role() -> None:
        try:
            role.run(_core())
        except (BadMasterKey, OtherHost) as error:  # no restart mends these
            raise SystemExit(_tell(error, supervise.BAD_SETTINGS)) from None


for _role in roles.ROLES:
    _add_role(_role)


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this version; safe to repeat."""
    core = _core()
    schema.upgrade(core.resolved_database_url())
    out.print(f"schema {schema.current(core.resolved_database_url())}")


@cli.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is missing or misconfigured and how to mend it; exit code 1 when something is."""
    raise typer.Exit(checks.show(asyncio.run(examine()), as_json=as_json))


@cli.command("analyze")
def analyze_command(
    path: Annotated[Path, typer.Argument(help="A DICOM, zip, NIfTI or image file, or a folder.")],
    app: Annotated[str, typer.Option("--app", help="Application, e.g. lung-ct.")] = "lung-ct",
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for the outputs.")] = None,
    as_json: Annotated[
        str | None, typer.Option("--json", help="'-' prints the Result on standard output.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the application.")] = 0,
    param: Annotated[list[str] | None, typer.Option("--param", help=analyze.PARAM_HELP)] = None,
) -> None:
    """Analyse files without a server. Exit codes: 0 result, 3 abstained, 2 bad input, 1 failure."""
    configure_logging(level="WARNING", as_json=False)
    raise typer.Exit(analyze.run(path, app, folder, as_json == "-", seed, param or ()))


@cli.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the table.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed makes other phantoms.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Your own files instead of phantoms.")] = None,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8080,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path(
        "demo-data"
    ),
) -> None:
    """Show the whole way: images in by several doors, explained results out."""
    raise typer.Exit(story.run(story.Plan(once, seed, data, port, folder)))


@audit_cli.command("verify")
def audit_verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the log against its chain, tree and anchored heads.

    Exit codes: 0 untouched, 1 touched, 2 the log cannot be read.
    """
    raise typer.Exit(asyncio.run(_audit_verify(_core(), as_json)))


async def _audit_verify(core: CoreSettings, as_json: bool) -> int:
    at = schema.current(core.resolved_database_url())
    if at != schema.head():
        seen = "is empty" if at is None else f"has the schema {at}, not {schema.head()}"
        remedy = "check HV_DATABASE_URL, or run: healthvision migrate"
        err.print(f"the database {seen}; {remedy}", soft_wrap=True)
        return 2
    async with open_process(core, MODULES, make_key=False) as db:
        report = await audit.verify(db)
    if as_json:
        out.print_json(report.model_dump_json())
    else:
        word = "untouched" if report.ok else "[red]TOUCHED[/]"
        out.print(f"The log is {word}: {report.sealed} acts sealed, {report.unsealed} waiting.")
        for name, value in report.model_dump(mode="json").items():
            if value is not None:
                out.print(f"{name}: {value}")
    return 0 if report.ok else 1


@user_cli.command("bootstrap")
def account_bootstrap(
    organisation: Annotated[str, typer.Option(help="Name of the organisation.")],
    email: Annotated[str, typer.Option(help="Address of its first administrator.")],
    name: Annotated[str, typer.Option(help="Name of the administrator.")] = "Administrator",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an organisation with its administrator and an API key (shown once)."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    made = asyncio.run(accounts.bootstrap(_core(), organisation, email, name, password))
    out.print_json(json.dumps(made))


@cli.command("reference")
def write_reference(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("docs/reference"),
) -> None:
    """Write the reference pages that are made from the code: API, settings, problems."""
    for path in reference.write(folder):
        out.print(str(path))


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _explained(error: Exception) -> tuple[str, list[str]] | None:
    """Return what an expected failure is about and its lines; None: a bug."""
    match error:
        case Problem():
            return error.code, [error.detail]
        case BadMasterKey():
            return "master key", [str(error)]
        case ValidationError():
            lines = configuration.explain(error)
            return ("setting", lines) if lines else None
        case SettingsError() | tomllib.TOMLDecodeError():
            return "setting", configuration.faults() or [_first_line(error)]
        case SQLAlchemyError():
            return "database", [f"{_first_line(error)}; healthvision doctor says more"]
        case OSError():
            return "system", [_first_line(error)]
    return None


def _tell(error: Exception, code: int = 2) -> int:
    """Print an expected failure; returns ``code``, for a wrong setting always the one for that.

    What is a bug is raised again.
    """
    told = _explained(error)
    if told is None:
        raise error
    about, lines = told
    for line in lines:
        err.print(f"[red]{about}[/]: {escape(line)}", soft_wrap=True)
    return supervise.BAD_SETTINGS if about == "setting" else code


def main() -> None:
    """Run the command line; expected failures end with one line each.

    Exit code 78 for a wrong setting (a supervisor need not try again), 2 for the others.
    """
    try:
        cli()
    except Exception as error:  # the edge of the command line: what is no bug gets a line
        raise SystemExit(_tell(error)) from None
