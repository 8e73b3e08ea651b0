# SPDX-License-Identifier: Apache-2.0
"""Commands that talk to a running server as a signed-in person, through ``healthvision.client``."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from healthvision.app import credentials
from healthvision.app.credentials import SignIn
from healthvision.client import ApiError, Client, ClientError, SignedIn, Tokens, UploadMeta
from healthvision.client.calls.signin import CLIENT_ID
from healthvision.client.models import Result, TokenAnswer, Upload

DEFAULT_SERVER = "http://127.0.0.1:8080"
FAILED, BAD_INPUT, NOT_SIGNED_IN = 1, 2, 4
LOCAL = ("127.0.0.1", "localhost", "::1")
studies_cli = typer.Typer(help="Studies on the server you signed in to.", no_args_is_help=True)
tasks_cli = typer.Typer(help="Analysis tasks on that server.", no_args_is_help=True)
results_cli = typer.Typer(help="Results on that server.", no_args_is_help=True)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many rows.")]


class RefusedCommand(Exception):
    """The command cannot go on; the text says why and what to do."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def new_transport() -> httpx.BaseTransport | None:
    """Return the transport of every connection; None: the network."""
    return None


def _client(server: str, auth: SignedIn | None = None) -> Client:
    return Client(server, auth, transport=new_transport())


@contextmanager
def _told() -> Iterator[None]:
    """Turn what can go wrong with a server into one line and an exit code."""
    try:
        yield
    except RefusedCommand as refused:
        err.print(f"[red]refused[/]: {escape(str(refused))}", soft_wrap=True)
        raise typer.Exit(refused.code) from None
    except ApiError as error:
        text, code = f"{error.code}: {error.detail}", FAILED
        if error.status == 401 or error.code == "invalid_grant":
            text, code = "the sign-in has ended; run: healthvision login", NOT_SIGNED_IN
        err.print(f"[red]refused[/]: {escape(text)}", soft_wrap=True)
        raise typer.Exit(code) from None
    except (ClientError, OSError) as error:
        err.print(f"[red]failed[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from None


@contextmanager
def signed_in() -> Iterator[Client]:
    """Yield a client of the server that the person signed in to."""
    with _told():
        found = credentials.load()
        if found is None:
            raise RefusedCommand("nobody is signed in; run: healthvision login", NOT_SIGNED_IN)
        server = found.server

        def keep(tokens: Tokens) -> None:
            credentials.keep(SignIn(server, tokens))

        auth = SignedIn(found.tokens, CLIENT_ID, keep, alone=lambda: credentials.alone(server))
        with _client(server, auth) as client:
            yield client


def _checked_server(server: str) -> str:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedCommand(f"--server {server}: give http(s)://host", BAD_INPUT)
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise RefusedCommand(
            f"--server {server}: without https anybody on the way could read the tokens", BAD_INPUT
        )
    return server.rstrip("/")


def login(
    server: Annotated[str, typer.Option(help="Address of the server.")] = DEFAULT_SERVER,
) -> None:
    """Sign in with a code that you type in a browser."""
    with _told():
        address = _checked_server(server)
        with _client(address) as client:
            device = client.start_device()
            out.print(f"Open {device.verification_uri}", soft_wrap=True)
            out.print(f"and type this code: [bold]{escape(device.user_code)}[/]")
            if device.verification_uri_complete:
                out.print(f"or open {device.verification_uri_complete}", soft_wrap=True)
            asked = time.time()
            with err.status("waiting for your answer in the browser ..."):
                answer = client.wait_for_device(device)
        credentials.keep(SignIn(address, _tokens(answer, asked)))
    out.print(f"Signed in to {address}; kept in {credentials.place()}", soft_wrap=True)


def _tokens(answer: TokenAnswer, asked: float) -> Tokens:
    return Tokens(answer.access_token, answer.refresh_token, asked + answer.expires_in)


def logout() -> None:
    """Sign out: the server forgets the tokens, and so does this computer."""
    found = credentials.load()
    credentials.forget()
    if found is None:
        out.print("Nobody was signed in.")
        return
    with _told(), _client(found.server) as client:
        client.revoke(found.tokens.refresh or found.tokens.access)
    out.print(f"Signed out of {found.server}", soft_wrap=True)


def whoami() -> None:
    """Say who is signed in where."""
    with signed_in() as client:
        me: dict[str, Any] = client.me().model_dump()
    found = credentials.load()
    user = me.get("user") or {}
    name = user.get("name") or me.get("id")
    out.print(f"{name} ({me.get('organisation')}) at {found.server if found else '-'}")


def _print_list(
    page: BaseModel, head: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool
) -> None:
    """Print a list as JSON, as a table on a terminal, or with tabs for other programs."""
    if as_json:
        out.print_json(page.model_dump_json())
    elif not out.is_terminal:
        for row in (head, *rows):
            typer.echo("\t".join(re.sub(r"\s+", " ", cell) for cell in row))
    else:
        table = Table(*(Column(name, no_wrap=name in ("id", "result")) for name in head))
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        out.print(table)


@studies_cli.command("list")
def studies_list(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List studies, newest first."""
    with signed_in() as client:
        page = client.studies(limit=limit)
    head = ("id", "patient", "date", "modality", "description", "images")
    rows = [
        (
            str(s.id),
            s.patient_id,
            s.study_date,
            "/".join(s.modalities),
            s.description,
            str(s.instance_count),
        )
        for s in page.items
    ]
    _print_list(page, head, rows, as_json=as_json)


@studies_cli.command("upload")
def studies_upload(
    files: Annotated[list[Path], typer.Argument(help="DICOM, zip, NIfTI or image files.")],
    space: Annotated[str, typer.Option(help="Space they go to.")] = "default",
    patient_id: Annotated[str, typer.Option(help="Patient ID of files that are no DICOM.")] = "",
    modality: Annotated[str, typer.Option(help="Modality of files that are no DICOM.")] = "",
) -> None:
    """Upload files, each with a progress bar; exit code 1 when one of them failed."""
    given = {"patient_id": patient_id, "modality": modality}
    meta = UploadMeta.model_validate({k: v for k, v in given.items() if v})
    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    failed = 0
    with signed_in() as client, Progress(*columns, console=err) as bar:
        for path in files:
            if not path.is_file():
                raise RefusedCommand(f"{path} is no file; give files, or a zip", BAD_INPUT)
        for path in files:
            job = bar.add_task(escape(path.name), total=1.0)
            failed += _upload_one(client, path, space, meta, bar, job)
    raise typer.Exit(FAILED if failed else 0)


def _upload_one(
    client: Client, path: Path, space: str, meta: UploadMeta, bar: Progress, job: TaskID
) -> int:
    """Upload a file and tell what became of it; returns the number of failures."""

    def progress(done: int, total: int) -> None:
        bar.update(job, completed=done / max(total, 1))

    try:
        done: Upload = client.upload(path, space=space, meta=meta, progress=progress)
    except ClientError as error:
        if isinstance(error, ApiError) and error.status == 401:
            raise
        out.print(f"{escape(path.name)}: [red]failed[/]: {escape(str(error))}", soft_wrap=True)
        return 1
    bar.update(job, completed=1.0)
    kept = ", ".join(str(s) for s in done.studies) or "no study"
    counts = f"{done.stored} stored, {done.skipped} skipped, {done.failed} failed"
    out.print(f"{escape(path.name)}: {counts}; {kept}", soft_wrap=True)
    for r in done.results:
        if r.outcome in ("failed", "quarantined"):
            out.print(f"  {escape(r.name)}: {escape(r.reason)}", soft_wrap=True)
    return done.failed


@tasks_cli.command("list")
def tasks_list(
    state: Annotated[str | None, typer.Option(help="queued, running, done, failed ...")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List analysis tasks, newest first."""
    with signed_in() as client:
        page = client.tasks(state=state, limit=limit)
    head = ("id", "application", "state", "priority", "progress", "result")
    rows = [
        (
            str(t.id),
            t.application,
            t.state,
            t.priority,
            f"{t.progress * 100:.0f} %",
            str(t.result_id or t.error_code or "-"),
        )
        for t in page.items
    ]
    _print_list(page, head, rows, as_json=as_json)


@results_cli.command("list")
def results_list(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List results, newest first."""
    with signed_in() as client:
        page = client.results(limit=limit)
    head = ("id", "application", "status", "category", "verification")
    rows = [
        (str(r.id), r.application_id, r.status, r.worst_category, r.verification)
        for r in page.items
    ]
    _print_list(page, head, rows, as_json=as_json)


@results_cli.command("show")
def results_show(
    result_id: Annotated[UUID, typer.Argument(help="Id of the result.")],
    as_json: AsJson = False,
) -> None:
    """Show one result."""
    with signed_in() as client:
        found: Result = client.result(result_id)
    if as_json:
        out.print_json(found.model_dump_json())
        return
    reason = found.abstained_reason
    if reason is not None:
        out.print(f"Abstained: {escape(reason.en)}\n不予判断：{escape(reason.zh)}")
    else:
        out.print(f"{escape(found.summary.en)}\n{escape(found.summary.zh)}")
    table = Table("finding", "measurements", "category", "confidence")
    for f in found.findings:
        sizes = ", ".join(f"{m.label.en} {m.value:.1f} {m.unit}" for m in f.measurements[:3])
        kinds = ", ".join(f"{c.guideline} {c.value}" for c in f.categories)
        sure = "none given" if f.confidence.value is None else f"{f.confidence.value:.2f}"
        table.add_row(escape(f.label.en), escape(sizes), escape(kinds), sure)
    out.print(table)
    out.print("AI result, unverified. Decision support, not a diagnosis.")


def add_to(cli: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (login, logout, whoami):
        cli.command()(command)
    cli.add_typer(studies_cli, name="studies")
    cli.add_typer(tasks_cli, name="tasks")
    cli.add_typer(results_cli, name="results")
