# SPDX-License-Identifier: Apache-2.0
"""STOW-RS: the body is read as a stream, large instances lie in unnamed files meanwhile.

Bodies: multipart/related of application/dicom or of application/dicom+json with bulk values, one
application/dicom, one application/zip of DICOM files. What is refused is kept in quarantine.
"""

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import BinaryIO

from starlette.requests import Request

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, Origin, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.spaces import service as spaces
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.interfaces.dicomweb.media import MediaType, parse_media_type
from healthvision.interfaces.dicomweb.multipart import BadMultipart, PartReader, boundary_of
from healthvision.interfaces.dicomweb.negotiation import DICOM, DICOM_JSON, MULTIPART, OCTETS, ZIP
from healthvision.interfaces.dicomweb.store_json import Assembly
from healthvision.kernel.db import Database
from healthvision.kernel.errors import TooLarge, UnsupportedMedia
from healthvision.kernel.security import Actor

ORIGIN = Origin("dicomweb")
WRITE_BYTES = 1 << 20
AHEAD = 2  # batches that are taken in while the next one arrives
_UNREADABLE = (DicomRefused, ValueError, ArithmeticError, LookupError, struct.error, MemoryError)
_PLAIN = frozenset({"", DICOM, OCTETS})


@dataclass(slots=True)
class _Item:
    """One instance of the request: bytes or file, or the reason why it is not taken in.

    ``refused``: (reason, detail); the bytes, if there are any, go to quarantine.
    """

    name: str
    source: bytes | BinaryIO = b""
    size: int = 0
    refused: tuple[str, str] | None = None
    header: InstanceHeader | None = None


@dataclass(slots=True)
class Intake:
    """One store request: whose, where to, and what the limits are.

    ``study_uid``: when the path names a study, instances of others are refused.
    """

    db: Database
    actor: Actor
    space: str
    study_uid: str | None
    settings: ArchiveSettings = field(default_factory=ArchiveSettings.current)

    async def run(self, request: Request) -> list[Received]:
        """Take in the whole body and return one answer per instance, in order.

        Raises UnsupportedMedia, BadMultipart, TooLarge and what ``archive.receive`` raises;
        instances before a cut-off are kept and may be sent again.
        """
        kind = parse_media_type(request.headers.get("content-type", ""))
        running: list[asyncio.Task[list[Received]]] = []
        batch: list[_Item] = []
        held = 0
        try:
            async for item in self._items(kind, self._capped(request)):
                batch.append(item)
                held += item.size
                full = held >= self.settings.memory_bytes
                if full or len(batch) >= self.settings.batch_items:
                    running.append(asyncio.create_task(self._take_in(batch)))
                    batch, held = [], 0
                    if len(running) > AHEAD:
                        await running[-1 - AHEAD]
            running.append(asyncio.create_task(self._take_in(batch)))
            batch = []
        finally:  # what was begun is ended, also when the sender is cut off
            _close(batch)
            await asyncio.gather(*running, return_exceptions=True)
        answers = [answer for task in running for answer in task.result()]
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
            if item.size or item.refused is not None:
                yield item
        elif kind.name == ZIP:
            async for item in self._unzipped(body):
                yield item
        elif kind.name == MULTIPART and kind.part == DICOM_JSON:
            async for item in self._assembled(PartReader(body, boundary_of(kind))):
                yield item
        elif kind.name == MULTIPART and kind.part in _PLAIN:
            async for item in self._parts(PartReader(body, boundary_of(kind))):
                yield item
        else:
            raise UnsupportedMedia(
                f'Content-Type must be {MULTIPART}; type="{DICOM}"; boundary=..., the same with '
                f'type="{DICOM_JSON}", {DICOM} or {ZIP}'
            )

    async def _parts(self, reader: PartReader) -> AsyncIterator[_Item]:
        number = 0
        while (head := await reader.next_part()) is not None:
            number += 1
            item = await self._part(str(number), reader)
            if head.content_type != DICOM and not _is_plain(head.content_type):
                item.refused = ("media-type", "the part is no DICOM")
            yield item

    async def _part(self, name: str, reader: PartReader) -> _Item:
        data = reader.ready_body()
        if data is None or len(data) > self.settings.max_image_bytes:
            return await self._spool(name, reader.body() if data is None else _once(data))
        return _Item(name, data, len(data))

    async def _assembled(self, reader: PartReader) -> AsyncIterator[_Item]:
        """Yield Part 10 objects made of DICOM JSON and its bulk values, held in memory."""
        parts, limit = Assembly(), 4 * self.settings.memory_bytes
        while (head := await reader.next_part()) is not None:
            held = bytearray()
            async for chunk in reader.body():
                held += chunk
                if parts.size + len(held) > limit:
                    raise TooLarge("DICOM JSON with its bulk values is too large", limit=limit)
            parts.add(head, bytes(held))
        await archive.name_author(self.db, self.actor, parts.documents)
        for number, (data, refused) in enumerate(await asyncio.to_thread(parts.objects), 1):
            yield _Item(str(number), data, len(data), refused)

    async def _unzipped(self, body: AsyncIterator[bytes]) -> AsyncIterator[_Item]:
        """Yield the DICOM files of a zip; other files are skipped. Raises UnsafeArchive."""
        with archive.spool(self.db) as file:
            async for chunk in body:
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(archive.check_zip, file, self.settings)
            members = archive.zip_members(file, self.settings, lambda: archive.spool(self.db))
            while (member := await asyncio.to_thread(next, members, None)) is not None:
                if member.file is None:
                    yield _Item(member.name, refused=(member.reason, "not readable in the zip"))
                    continue
                if not _is_dicom(member.name, member.file):
                    member.file.close()
                    continue
                if member.size > self.settings.memory_bytes // 16:
                    yield _Item(member.name, member.file, member.size)
                    continue
                with member.file as small:  # many open files are worse than some memory
                    yield _Item(member.name, small.read(), member.size)

    async def _spool(self, name: str, body: AsyncIterator[bytes]) -> _Item:
        """Hold a body in memory up to a limit, above it in an unnamed file.

        Above the limit of one instance it is kept too, to be quarantined.
        """
        pieces: list[bytes] = []
        held, size, file = 0, 0, None
        try:
            async for chunk in body:
                pieces.append(chunk)
                size, held = size + len(chunk), held + len(chunk)
                if file is None and held > self.settings.memory_bytes:
                    file = archive.spool(self.db)
                if file is not None and held >= WRITE_BYTES:
                    await asyncio.to_thread(file.writelines, pieces)
                    pieces, held = [], 0
            if file is not None:
                await asyncio.to_thread(file.writelines, pieces)
                await asyncio.to_thread(file.flush)
        except BaseException:
            if file is not None:
                file.close()
            raise
        item = _Item(name, b"".join(pieces) if file is None else file, size)
        limit = self.settings.max_image_bytes
        if size > limit:
            item.refused = ("file-too-large", f"an instance may have at most {limit} bytes")
        return item

    async def _take_in(self, batch: list[_Item]) -> list[Received]:
        try:
            if self.study_uid is not None:
                await asyncio.to_thread(_check_study, batch, self.study_uid)
            wanted = [Incoming(i.source, i.name, i.header) for i in batch if i.refused is None]
            received: list[Received] = []
            if wanted:
                received = await archive.receive(
                    self.db, self.actor, wanted, space_id=self.space, origin=ORIGIN
                )
            answered = iter(received)
            return [
                next(answered) if i.refused is None else await self._quarantined(i) for i in batch
            ]
        finally:
            _close(batch)

    async def _quarantined(self, item: _Item) -> Received:
        """Keep the bytes of a refused instance and say why it was refused."""
        assert item.refused is not None
        reason, detail = item.refused
        kept = None
        if item.size:
            async with self.db.reading() as session:
                space = await spaces.get(session, self.actor, self.space, "write")
            file = io.BytesIO(item.source) if isinstance(item.source, bytes) else item.source
            kept = await archive.quarantine_file(
                self.db,
                self.actor,
                file,
                space_id=space.id,
                origin=ORIGIN,
                refusal=(reason, detail),
            )
        header = item.header
        return Received(
            item.name,
            "quarantined",
            reason=reason,
            detail=detail,
            quarantine_id=kept,
            sop_uid=header.sop_uid if header else "",
            sop_class_uid=header.sop_class_uid if header else "",
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _is_plain(content_type: str) -> bool:
    return parse_media_type(content_type or DICOM).name in _PLAIN


def _close(batch: list[_Item]) -> None:
    for item in batch:
        if not isinstance(item.source, bytes):
            item.source.close()


def _is_dicom(name: str, file: BinaryIO) -> bool:
    """Tell whether a file of a zip is an instance, by its bytes; an index of files is none."""
    head = file.read(132)
    file.seek(0)
    found = head[128:132] == b"DICM" or head[:6] == b"\x02\0\0\0UL"
    return found and name.rsplit("/", 1)[-1].upper() != "DICOMDIR"


def _check_study(batch: list[_Item], study_uid: str) -> None:
    """Read each header once and refuse readable instances of other studies.

    What cannot be read is the archive's to refuse.
    """
    for item in batch:
        if item.refused is None:
            item.header = _header(item.source)
            if item.header is not None and item.header.study_uid != study_uid:
                item.refused = ("study-mismatch", "not of the study in the path")


def _header(source: bytes | BinaryIO) -> InstanceHeader | None:
    try:
        return read_header(source)
    except _UNREADABLE:
        return None
