# SPDX-License-Identifier: Apache-2.0
"""The job behind an upload: put the parts together, check, convert, receive, report.

It may run again after a crash: objects that are here already count as duplicates.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from healthvision.domains.archive.errors import DigestMismatch, NotAnImage, UnsafeArchive
from healthvision.domains.archive.events import UploadTakenIn
from healthvision.domains.archive.receiving.receive import read_file, receive
from healthvision.domains.archive.records import intake_rows, kinds
from healthvision.domains.archive.schemas import Incoming, Origin, Received, UploadMeta
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import Upload
from healthvision.domains.archive.uploading import unzipping, uploads
from healthvision.domains.archive.uploading.converting import convert
from healthvision.domains.archive.uploading.quarantining import quarantine_file
from healthvision.domains.audit import service as audit
from healthvision.domains.storage import service as storage
from healthvision.formats.images.errors import ImageRefused
from healthvision.formats.nifti.errors import NiftiRefused
from healthvision.kernel.db import Database
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

MAX_RESULTS = 10_000
GROUP = 32  # objects received and reported at a time
MOST_DEATHS = 3  # of workers on one upload; then its bytes are put apart unopened
_REFUSED = (ImageRefused, NiftiRefused)


@dataclass(slots=True)
class _Report:
    """What became of the files so far."""

    stored: int = 0
    skipped: int = 0
    failed: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    studies: dict[str, None] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)  # files of a zip that failed, by reason

    def add(
        self, name: str, outcome: str, reason: str = "", study: str = "", sop: str = ""
    ) -> None:
        if outcome == "skipped":
            self.skipped += 1
        elif outcome in ("failed", "quarantined"):
            self.failed += 1
        else:
            self.stored += 1
        if study:
            self.studies[study] = None
        if len(self.results) < MAX_RESULTS:
            entry = {"name": name, "outcome": outcome, "reason": reason, "sop_uid": sop}
            self.results.append({**entry, "study_id": study or None})

    def received(self, answer: Received) -> None:
        study = "" if answer.study_id is None else str(answer.study_id)
        self.add(answer.name, answer.outcome, answer.reason, study, answer.sop_uid)


@dataclass(frozen=True, slots=True)
class _Task:
    """One run of the job."""

    db: Database
    row: Upload
    actor: Actor
    report: _Report
    settings: ArchiveSettings

    @property
    def origin(self) -> Origin:
        return Origin("upload", str(self.row.id))


async def take_in(db: Database, org_id: UUID, upload_id: UUID) -> None:
    """Take an upload in. Expected failures end up on the upload; others let the job retry."""
    async with db.transaction() as session:
        row = await intake_rows.find_upload(session, org_id, upload_id, lock=True)
        if row is None or row.state not in ("queued", "taking_in"):
            return
        row.state = "taking_in"
        row.deaths += 1  # taken back when this run ends, however it ends
    task = _Task(db, row, uploads.actor_of(row), _Report(), ArchiveSettings())
    try:
        with storage.scratch_file(db) as file:
            error = await _take_in(task, file)
    except Exception:
        await _survived(task)
        raise
    await _finish(task, error)
    await storage.delete_staged(db, org_id, str(upload_id))


async def _take_in(task: _Task, file: BinaryIO) -> str | None:
    """Return the code of what made the whole upload fail, or None."""
    try:
        await _assemble(task, file)
        if task.row.deaths > MOST_DEATHS:
            raise UnsafeArchive("the worker died on this file again and again", reason="deadly")
        await _dispatch(task, file)
    except DigestMismatch as problem:
        return problem.code
    except (UnsafeArchive, NotAnImage, *_REFUSED) as problem:
        reason = str(problem.extra.get("reason", problem.code))
        await _put_apart(task, file, reason, problem.detail)
        task.report.add(task.row.filename, "quarantined", reason)
        return problem.code
    return None


async def _put_apart(task: _Task, file: BinaryIO, reason: str, detail: str) -> None:
    file.seek(0)
    await quarantine_file(
        task.db,
        task.actor,
        file,
        space_id=task.row.space_id,
        origin=task.origin,
        refusal=(reason, detail),
    )


async def _survived(task: _Task) -> None:
    """Note that this run ended by itself: an error is no death."""
    async with task.db.transaction() as session:
        row = await intake_rows.find_upload(session, task.row.org_id, task.row.id, lock=True)
        if row is not None:
            row.deaths -= 1


async def _assemble(task: _Task, file: BinaryIO) -> None:
    digest, size = hashlib.sha256(), 0
    for number in range(1, uploads.part_count(task.row) + 1):
        name = uploads.part_name(task.row, number)
        async for piece in storage.read_staged(task.db, task.row.org_id, name):
            await asyncio.to_thread(file.write, piece)
            digest.update(piece)
            size += len(piece)
    file.seek(0)
    wanted = task.row.sha256
    if size != task.row.size or wanted not in (None, digest.hexdigest()):
        raise DigestMismatch("the received bytes are not the promised ones")


async def _dispatch(task: _Task, file: BinaryIO) -> None:
    kind = kinds.by_bytes(_head(file), task.row.filename)
    promised = task.row.kind
    if promised != "dicom" and kind != promised:
        raise NotAnImage(f"the bytes are not what the file's type says ({promised})", reason="type")
    if promised == "dicom" and kind in ("zip", "nifti", "image"):
        raise NotAnImage(f"the bytes are a file of kind {kind}", reason="type")
    if kind == "zip":
        await _take_zip(task, file)
    elif kind in ("nifti", "image"):
        await _keep_original(task, file)
        await _receive(task, _converted(task, kind, file, task.row.filename))
    else:
        await _receive(task, _single(Incoming(file, task.row.filename)))


def _head(file: BinaryIO) -> bytes:
    head = file.read(kinds.HEAD_BYTES)
    file.seek(0)
    return head


async def _single(item: Incoming) -> AsyncIterator[Incoming]:
    yield item


async def _converted(
    task: _Task, kind: kinds.Kind, file: BinaryIO, name: str
) -> AsyncIterator[Incoming]:
    meta = UploadMeta.model_validate(task.row.meta)
    path = Path(f"/proc/self/fd/{file.fileno()}")  # a name for a file without one
    patient = f"UPLOAD-{task.row.id.hex[-8:].upper()}"
    objects = await asyncio.to_thread(
        convert, kind, path, meta, salt=str(task.row.org_id), patient_id=patient
    )
    while (data := await asyncio.to_thread(next, objects, None)) is not None:
        yield Incoming(data, name)


async def _receive(task: _Task, items: AsyncIterator[Incoming]) -> None:
    group: list[Incoming] = []
    async for item in items:
        group.append(item)
        if len(group) >= GROUP:
            await _receive_group(task, group)
            group = []
    await _receive_group(task, group)


async def _receive_group(task: _Task, group: list[Incoming]) -> None:
    if not group:
        return
    answers = await receive(
        task.db, task.actor, group, space_id=task.row.space_id, origin=task.origin
    )
    for answer in answers:
        task.report.received(answer)


async def _take_zip(task: _Task, file: BinaryIO) -> None:
    total = max(1, await asyncio.to_thread(unzipping.check, file, task.settings))
    file.seek(0)
    found = unzipping.members(file, task.settings, lambda: storage.scratch_file(task.db))
    group: list[Incoming] = []
    pictures: list[tuple[str, BinaryIO]] = []
    seen, dicom = 0, False
    try:
        while (member := await asyncio.to_thread(next, found, None)) is not None:
            seen += 1
            item = await _sort_member(task, member, pictures)
            if item is not None:
                dicom = True
                group.append(item)
            if len(group) >= GROUP:
                await _receive_and_close(task, group)
                await _progress(task, min(1.0, seen / total))
                group = []
        await _receive_and_close(task, group)
        group = []
        await _take_pictures(task, pictures, skip=dicom)
        if task.report.unread:
            told = ", ".join(f"{reason} ({n})" for reason, n in sorted(task.report.unread.items()))
            await _put_apart(task, file, "zip-members", f"files that could not be read: {told}")
    finally:
        for opened in [*(i.source for i in group), *(f for _, f in pictures)]:
            if not isinstance(opened, bytes):
                opened.close()


async def _sort_member(
    task: _Task, member: unzipping.Member, pictures: list[tuple[str, BinaryIO]]
) -> Incoming | None:
    if member.file is None:
        task.report.add(member.name, "failed", member.reason)
        task.report.unread[member.reason] += 1
        return None
    kind = kinds.by_bytes(_head(member.file), member.name)
    if kind == "dicom" or (kind is None and member.name.lower().endswith(".dcm")):
        if member.size > task.settings.memory_bytes:
            return Incoming(member.file, member.name)
        with member.file as small:
            return Incoming(small.read(), member.name)
    if kind == "image":
        pictures.append((member.name, member.file))
        return None
    with member.file as other:
        if kind == "nifti":
            await _take_one(task, kind, other, member.name)
        else:
            task.report.add(member.name, "skipped", "not-an-image")
    return None


async def _receive_and_close(task: _Task, group: list[Incoming]) -> None:
    await _receive_group(task, group)
    for item in group:
        if not isinstance(item.source, bytes):
            item.source.close()


async def _take_pictures(task: _Task, pictures: list[tuple[str, BinaryIO]], *, skip: bool) -> None:
    """Pictures beside DICOM objects are previews; alone they are the images."""
    for name, file in pictures:
        if skip:
            task.report.add(name, "skipped", "picture-beside-dicom")
        else:
            await _take_one(task, "image", file, name)


async def _take_one(task: _Task, kind: kinds.Kind, file: BinaryIO, name: str) -> None:
    try:
        await _receive(task, _converted(task, kind, file, name))
    except _REFUSED as problem:
        reason = str(problem.reason)
        await _put_apart(task, file, reason, problem.detail)
        task.report.add(name, "quarantined", reason)


async def _keep_original(task: _Task, file: BinaryIO) -> None:
    if not task.settings.keep_originals:
        return
    key = f"originals/{task.row.org_id}/{task.row.id}"
    stored = await storage.put(task.db, task.row.org_id, key, read_file(file))
    file.seek(0)
    async with task.db.transaction() as session:
        row = await intake_rows.find_upload(session, task.row.org_id, task.row.id, lock=True)
        assert row is not None
        row.original = {
            "store": stored.store,
            "key": stored.key,
            "key_id": None if stored.key_id is None else str(stored.key_id),
            "size": stored.size,
            "sha256": stored.sha256,
        }


async def _progress(task: _Task, share: float) -> None:
    async with task.db.transaction() as session:
        row = await intake_rows.find_upload(session, task.row.org_id, task.row.id, lock=True)
        if row is not None:
            row.progress = max(row.progress, min(0.999, share))


async def _finish(task: _Task, error: str | None) -> None:
    report = task.report
    async with task.db.transaction() as session:
        row = await intake_rows.find_upload(session, task.row.org_id, task.row.id, lock=True)
        if row is None or row.state != "taking_in":
            return
        row.stored, row.skipped, row.failed = report.stored, report.skipped, report.failed
        row.results, row.studies = report.results, list(report.studies)
        nothing = report.stored == 0 and error is None
        row.error = NotAnImage.code if nothing else error
        row.state = "failed" if row.error else "done"
        row.progress, row.deaths = 1.0, 0
        await audit.record(
            session,
            task.actor,
            "archive.upload_taken_in",
            row.id,
            kind="upload",
            space_id=row.space_id,
            outcome="failed" if row.error else "success",
            detail={"stored": row.stored, "skipped": row.skipped, "failed": row.failed},
        )
        event = UploadTakenIn(org_id=row.org_id, subject=row.id, state=row.state)
        await publish(session, task.actor, event)


async def give_up(db: Database, org_id: UUID, upload_id: UUID, error: str) -> None:
    """Note on the upload that its job failed for good; its parts stay for another try."""
    async with db.transaction() as session:
        row = await intake_rows.find_upload(session, org_id, upload_id, lock=True)
        if row is None or row.state not in ("queued", "taking_in"):
            return
        row.state, row.error = "failed", error[:200]
        event = UploadTakenIn(org_id=row.org_id, subject=row.id, state=row.state)
        await publish(session, uploads.actor_of(row), event)
