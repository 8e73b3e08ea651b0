# SPDX-License-Identifier: Apache-2.0
"""Models brought through the API: announced, sent as a zip, checked in a job, added or refused.

What runs is the network in the sandbox, never the caller's code; still it is a program that all
organisations will meet, so only who administers the installation may bring one (ADR 0008).
Packages lie in ``<models folder>/.incoming`` until they are judged.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import service as identity
from healthvision.domains.modelhub import acts, adding, repository
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.errors import (
    AdditionClosed,
    AdditionNotFound,
    AdditionsFull,
    ModelChanged,
    ModelRefused,
    PackageRefused,
)
from healthvision.domains.modelhub.reading import Proposal
from healthvision.domains.modelhub.registry import Registry
from healthvision.domains.modelhub.schemas import AdditionCreate, AdditionRead, RetiredModel
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.domains.modelhub.shelf import INCOMING, Shelf
from healthvision.domains.modelhub.tables import ModelAddition
from healthvision.domains.modelhub.threads import to_end
from healthvision.domains.modelhub.unpacking import unpack
from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, DatabaseUnavailable, Session
from healthvision.kernel.errors import OutOfSpace, Problem, TooLarge
from healthvision.kernel.security import Actor

CHECK = "modelhub.check_addition"
OPEN = ("waiting", "received", "checking")
MOST_HELD = 20  # packages of an organisation that wait to be judged
DEADLY = 2  # trials that did not come back
_LIFE = timedelta(hours=2)
_LEFT = 24 * _LIFE  # files that nobody touched for so long were left behind
_KEPT = timedelta(days=90)  # additions that ended
_COPIES = 3  # of a package: the zip, what it holds, the version beside the others
_BESIDE = 64 << 20  # bytes of a package beside its weights
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SERVER = (
    "a model on an inference server (triton, http) says where images are sent to: add it on the "
    "server, with 'healthvision model add'"
)
_DEATHS = f"{DEADLY} processes died while they tried it"


async def announce(session: Session, actor: Actor, new: AdditionCreate) -> AdditionRead:
    """Agree on a package. Raises Forbidden, TooLarge."""
    identity.require_installation_admin(actor)
    limit = _limit()
    if new.size > limit:
        raise TooLarge("the package is over the limit (HV_MODELHUB_MAX_WEIGHTS_MB)", limit=limit)
    row = ModelAddition(
        id=new_id(), org_id=actor.org_id, account=actor.id, state="waiting", size=new.size,
        sha256=new.sha256, expires_at=now() + _LIFE, finished_at=None, model_id=None,
        version=None, problem=None, trial=None, begun=0,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    detail = {"size": row.size, "sha256": row.sha256}
    await audit.record(
        session, actor, "modelhub.model_announced", row.id, kind="model", detail=detail
    )
    return read(row)


def read(row: ModelAddition) -> AdditionRead:
    """Return an addition as callers see it."""
    names = set(AdditionRead.model_fields) - {"package_path"}
    path = f"/v1/model-additions/{row.id}/package"
    return AdditionRead.model_validate(
        {name: getattr(row, name) for name in names} | {"package_path": path}
    )


async def get(session: Session, actor: Actor, addition_id: UUID) -> AdditionRead:
    """Return one addition of the organisation; raises AdditionNotFound."""
    return read(await repository.addition(session, actor.org_id, addition_id))


async def take(
    db: Database, actor: Actor, addition_id: UUID, body: AsyncIterator[bytes]
) -> AdditionRead:
    """Keep the package of an addition and have it checked.

    Raises Forbidden, AdditionNotFound, AdditionClosed, AdditionsFull, PackageRefused ('size',
    'digest') and OutOfSpace; after the last three the package may be sent again. While it is
    being sent, a second sender meets AdditionClosed.
    """
    async with db.reading() as session:
        row = await repository.addition(session, actor.org_id, addition_id)
        identity.require_installation_admin(actor)
        _check_open(row)
        if await repository.count_additions(session, actor.org_id, OPEN[1:]) >= MOST_HELD:
            raise _full()
    folder = _shelf(db).folder / INCOMING
    await _keep(folder, row, body)
    try:
        return await _received(db, actor, addition_id)
    except (AdditionClosed, AdditionsFull):
        await _forget(db, actor.org_id, addition_id)
        raise


async def _received(db: Database, actor: Actor, addition_id: UUID) -> AdditionRead:
    """Have a package that lies there judged; others may have come while it was sent."""
    async with db.transaction() as session:
        if not await repository.step(session, actor.org_id, addition_id, ["waiting"], "received"):
            raise AdditionClosed("the package of this addition came already")
        if await repository.count_additions(session, actor.org_id, OPEN[1:]) > MOST_HELD:
            raise _full()
        await audit.record(session, actor, "modelhub.model_received", addition_id, kind="model")
        payload = {"org_id": str(actor.org_id), "addition_id": str(addition_id)}
        await jobs.enqueue(session, CHECK, payload, job_id=f"{CHECK}:{addition_id}")
        return read(await repository.addition(session, actor.org_id, addition_id))


def _full() -> AdditionsFull:
    return AdditionsFull(f"{MOST_HELD} packages wait to be judged", retry_after=60)


async def _forget(db: Database, org_id: UUID, addition_id: UUID) -> None:
    """Remove a package that nobody will judge; one that is to be judged stays."""
    state = "gone"
    with suppress(AdditionNotFound):
        async with db.reading() as session:
            state = (await repository.addition(session, org_id, addition_id)).state
    if state not in OPEN[1:]:
        _package(db, addition_id).unlink(missing_ok=True)


def _check_open(row: ModelAddition) -> None:
    if row.state != "waiting":
        raise AdditionClosed("the package of this addition came already")
    if row.expires_at <= now():
        raise AdditionClosed("the time of this addition is over; announce it again")


async def _keep(folder: Path, row: ModelAddition, body: AsyncIterator[bytes]) -> None:
    """Write the body to ``<id>.zip`` when it is exactly what was announced."""
    part = folder / f"{row.id}.part"
    digest, size = hashlib.sha256(), 0
    with _room():
        await asyncio.to_thread(_prepare, folder, row.size)
        with _claimed(part) as file:
            async for piece in body:
                size += len(piece)
                if size > row.size:
                    raise _wrong("size", f"more than the {row.size} bytes that were announced")
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_synced, file)
            if size != row.size:
                raise _wrong("size", f"{size} bytes instead of {row.size}")
            if digest.hexdigest() != row.sha256:
                raise _wrong("digest", "the SHA-256 of the package is another one than announced")
            part.replace(folder / f"{row.id}.zip")


@contextmanager
def _claimed(part: Path) -> Iterator[BinaryIO]:
    """Open a file, empty, for the one who sends it; it is gone when that fails.

    The claim ends with the process, so a sender that died keeps nobody out. Raises
    AdditionClosed when another one has it.
    """
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(file.fileno()), part.stat())
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise AdditionClosed("the package of this addition is being sent by another request")
        file.truncate(0)
        try:
            yield file
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def _room() -> Iterator[None]:
    """Tell a full disk as what it is: OutOfSpace."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _no_room() from None
        raise


def _no_room() -> OutOfSpace:
    return OutOfSpace("there is no room for the package in the models folder", retry_after=60)


def _synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _wrong(reason: str, detail: str) -> PackageRefused:
    return PackageRefused(detail, reason=reason)


def _prepare(folder: Path, size: int) -> None:
    """Make the folder and look for room in it; raises OutOfSpace."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep_files(folder)
    if shutil.disk_usage(folder).free < _COPIES * size:
        raise _no_room()


def _sweep_files(folder: Path) -> None:
    """Remove what processes that are gone left; others may do so at the same time."""
    oldest = (now() - _LEFT).timestamp()
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime >= oldest:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


async def sweep(db: Database) -> None:
    """Remove files left behind, announcements without a package, and what ended long ago."""
    folder = _shelf(db).folder / INCOMING
    if folder.is_dir():
        await asyncio.to_thread(_sweep_files, folder)
    async with db.transaction() as session:
        await repository.sweep_additions(session, now() - _LEFT, now() - _KEPT)


async def check(db: Database, org_id: UUID, addition_id: UUID) -> None:
    """Judge a package that came (a job). Safe to run twice.

    Every refusal ends the addition with its code, reason and detail; what passes (a full disk,
    no database) is raised for the job engine to come again. A package that kills the process
    that tries it is refused ('deadly') before it kills a third one.
    """
    package = _package(db, addition_id)
    before = await _begin(db, org_id, addition_id)
    if before is None:
        package.unlink(missing_ok=True)
        return
    if before >= DEADLY:
        await refuse(db, org_id, addition_id, ModelRefused(_DEATHS, reason="deadly"))
        return
    try:
        await _judge(db, org_id, addition_id, package)
    except BaseException:
        await _came_back(db, org_id, addition_id)
        raise
    package.unlink(missing_ok=True)


async def _judge(db: Database, org_id: UUID, addition_id: UUID, package: Path) -> None:
    try:
        await _add(db, org_id, addition_id, package)
    except Problem as problem:
        if problem.retry:
            raise
        await refuse(db, org_id, addition_id, problem)


async def _begin(db: Database, org_id: UUID, addition_id: UUID) -> int | None:
    """Count a trial before it begins; return how many did not come back, None when it ended."""
    async with db.transaction() as session:
        open_ = ("received", "checking")
        if not await repository.step(session, org_id, addition_id, open_, "checking"):
            return None
        row = await repository.addition(session, org_id, addition_id)
        row.begun += 1
        return row.begun - 1


async def _came_back(db: Database, org_id: UUID, addition_id: UUID) -> None:
    """Take a trial back that this process survived; without a database it stays counted."""
    with suppress(DatabaseUnavailable, OutOfSpace):
        async with db.transaction() as session:
            if await repository.step(session, org_id, addition_id, ["checking"], "checking"):
                row = await repository.addition(session, org_id, addition_id)
                row.begun = max(0, row.begun - 1)


async def _add(db: Database, org_id: UUID, addition_id: UUID, package: Path) -> None:
    shelf = _shelf(db)
    if not package.is_file():
        raise ModelChanged("the package is gone; announce and send it again")
    near, stop = package.parent, threading.Event()
    with _room(), tempfile.TemporaryDirectory(dir=near, prefix="unpacked-") as name:
        folder = Path(name)
        try:
            proposal, trial = await to_end(lambda: _tried(package, folder, stop), stop)
        except Problem as problem:
            problem.detail = problem.detail.replace(f"{folder}/", "").replace(name, "the package")
            raise
        staged = await to_end(lambda: shelf.stage(proposal.description, proposal.weights))

    async def done(session: Session) -> None:
        if not await repository.step(session, org_id, addition_id, ["checking"], "added"):
            raise AdditionClosed("another process ended this addition")
        row = await repository.addition(session, org_id, addition_id)
        row.model_id, row.version = staged.entry.id, staged.entry.version
        row.trial, row.finished_at = _told(trial), now()

    async with db.reading() as session:
        account = (await repository.addition(session, org_id, addition_id)).account
    with _room():
        await acts.serve(db.transaction, shelf, staged, f"account {account}", done)


def _tried(package: Path, folder: Path, stop: threading.Event) -> tuple[Proposal, Trial]:
    """Unpack, read and try a model; blocks until the trial ended or ``stop`` is set."""
    proposal = adding.proposed(unpack(package, folder, _limit()))
    if proposal.description.file is None:
        raise ModelRefused(_SERVER, reason="server")
    return proposal, adding.try_out(proposal, stop.is_set)


def _told(trial: Trial) -> dict[str, object]:
    said = asdict(trial)
    said.pop("stages_s")
    return {**said, "findings": list(trial.findings), "measurements": list(trial.measurements)}


async def refuse(db: Database, org_id: UUID, addition_id: UUID, problem: Problem) -> None:
    """End an addition with the reason, and remove its package."""
    await _note_refusal(db, org_id, addition_id, problem)
    await _forget(db, org_id, addition_id)


async def _note_refusal(db: Database, org_id: UUID, addition_id: UUID, problem: Problem) -> None:
    async with db.transaction() as session:
        if not await repository.step(session, org_id, addition_id, OPEN, "refused"):
            return
        row = await repository.addition(session, org_id, addition_id)
        reason = problem.extra.get("reason")
        row.problem = {
            "code": problem.code,
            "reason": None if reason is None else str(reason),
            "detail": problem.detail[:1000],
        }
        row.finished_at = now()
        actor = Actor.system(org_id, on_behalf_of=row.account)
        detail = {"code": problem.code, "reason": row.problem["reason"]}
        await audit.record(
            session, actor, "modelhub.model_refused", row.id, kind="model", detail=detail
        )


async def remove(db: Database, actor: Actor, model_id: str, version: str | None) -> RetiredModel:
    """Take an added model (or one version) out of use in the whole installation.

    Raises Forbidden, ApplicationNotFound.
    """
    identity.require_installation_admin(actor)
    who = f"account {actor.id}"
    gone = await acts.retire(db.transaction, _shelf(db), model_id, version, who)
    return RetiredModel.model_validate(
        {"retired": [{"id": e.id, "version": e.version} for e in gone]}
    )


def _shelf(db: Database) -> Shelf:
    shelf = db.resources.get(Registry).shelf
    return Shelf(ModelhubSettings().models_folder()) if shelf is None else shelf


def _package(db: Database, addition_id: UUID) -> Path:
    return _shelf(db).folder / INCOMING / f"{addition_id}.zip"


def _limit() -> int:
    return (ModelhubSettings().max_weights_mb << 20) + _BESIDE
