# SPDX-License-Identifier: Apache-2.0
"""STOW-RS: the body is read as a stream, large instances lie in unnamed files meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from starlette.requests import Request

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, Origin, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.interfaces.dicomweb.media import MediaType, parse_media_type
from healthvision.interfaces.dicomweb.multipart import BadMultipart, PartReader, boundary_of
from healthvision.interfaces.dicomweb.negotiation import DICOM, MULTIPART, OCTETS
from healthvision.kernel.db import Database
from healthvision.kernel.errors import TooLarge, UnsupportedMedia
from healthvision.kernel.security import Actor

ORIGIN = Origin("dicomweb")
WRITE_BYTES = 1 << 20
_PLAIN = frozenset({"", DICOM, OCTETS})


@dataclass(slots=True)
class _Item:
    """One instance of the request: bytes or file, or the reason why it is not taken in."""

    name: str
    source: bytes | BinaryIO = b""
    size: int = 0
    refusal: Received | None = None


@dataclass(slots=True)
class Intake:
    """One store request: whose, where to, and what the limits are.

    ``study_uid``: when the path names a study, instances of others are refused.
    """

    db: Database
    actor: Actor
    space: str
    study_uid: str | None
    settings: ArchiveSettings = field(default_factory=ArchiveSettings)

    async def run(self, request: Request) -> list[Received]:
        """Take in the whole body and return one answer per instance, in order.

        Raises UnsupportedMedia, BadMultipart, TooLarge and what ``archive.receive`` raises;
        instances before a cut-off are kept and may be sent again.
        """
        kind = parse_media_type(request.headers.get("content-type", ""))
        answers: list[Received] = []
        batch: list[_Item] = []
        held = 0
        try:
            async for item in self._items(kind, self._capped(request)):
                batch.append(item)
                held += item.size
                full = held >= 4 * self.settings.memory_bytes
                if full or len(batch) >= self.settings.batch_items:
                    answers += await self._take_in(batch)
                    batch, held = [], 0
            answers += await self._take_in(batch)
        finally:
            _close(batch)
        if not answers:
            raise BadMultipart("the request holds no instance")
        return answers

    async def _capped(self, request: Request) -> AsyncIterator[bytes]:
        total, limit = 0, self.settings.max_study_bytes
        async for chunk in request.stream():
            total += len(chunk)
            if total > limit:
                raise TooLarge("the request is over the limit of one study", limit=limit)
            yield chunk

    async def _items(self, kind: MediaType, body: AsyncIterator[bytes]) -> AsyncIterator[_Item]:
        if kind.name in (DICOM, OCTETS):
            item = await self._spool("1", body)
            if item.size or item.refusal is not None:
                yield item
            return
        if kind.name != MULTIPART or kind.part not in _PLAIN:
            raise UnsupportedMedia(
                f'Content-Type must be {MULTIPART}; type="{DICOM}"; boundary=... or {DICOM}'
            )
        reader, number = PartReader(body, boundary_of(kind)), 0
        while (head := await reader.next_part()) is not None:
            number += 1
            if parse_media_type(head.content_type or DICOM).name not in _PLAIN:
                yield _Item(str(number), refusal=_refused(str(number), "media-type", "no DICOM"))
            else:
                yield await self._spool(str(number), reader.body())

    async def _spool(self, name: str, body: AsyncIterator[bytes]) -> _Item:
        """Hold a body in memory up to a limit, above it in an unnamed file."""
        held, size, file = bytearray(), 0, None
        limit = self.settings.max_image_bytes
        try:
            async for chunk in body:
                size += len(chunk)
                if size > limit:
                    continue  # read on to the next part, keep nothing
                held += chunk
                if file is None and len(held) > self.settings.memory_bytes:
                    file = archive.spool(self.db)
                if file is not None and len(held) >= WRITE_BYTES:
                    await asyncio.to_thread(file.write, bytes(held))
                    held.clear()
            if file is not None and size <= limit:
                await asyncio.to_thread(file.write, bytes(held))
                await asyncio.to_thread(file.flush)
        except BaseException:
            if file is not None:
                file.close()
            raise
        if size > limit:
            if file is not None:
                file.close()
            detail = f"an instance may have at most {limit} bytes"
            return _Item(name, refusal=_refused(name, "file-too-large", detail))
        return _Item(name, bytes(held) if file is None else file, size)

    async def _take_in(self, batch: list[_Item]) -> list[Received]:
        try:
            if self.study_uid is not None:
                await asyncio.to_thread(_check_study, batch, self.study_uid)
            wanted = [Incoming(i.source, i.name) for i in batch if i.refusal is None]
            received: list[Received] = []
            if wanted:
                received = await archive.receive(
                    self.db, self.actor, wanted, space_id=self.space, origin=ORIGIN
                )
            answered = iter(received)
            return [i.refusal if i.refusal is not None else next(answered) for i in batch]
        finally:
            _close(batch)


def _close(batch: list[_Item]) -> None:
    for item in batch:
        if not isinstance(item.source, bytes):
            item.source.close()


def _refused(name: str, reason: str, detail: str) -> Received:
    return Received(name, "quarantined", reason=reason, detail=detail)


def _check_study(batch: list[_Item], study_uid: str) -> None:
    """Refuse readable instances of other studies; unreadable ones are the archive's to refuse."""
    for item in batch:
        if item.refusal is None:
            header = _header(item.source)
            if header is not None and header.study_uid != study_uid:
                refused = _refused(item.name, "study-mismatch", "not of the study in the path")
                item.refusal = replace(
                    refused, sop_uid=header.sop_uid, sop_class_uid=header.sop_class_uid
                )


def _header(source: bytes | BinaryIO) -> InstanceHeader | None:
    try:
        return read_header(source)
    except DicomRefused:
        return None
