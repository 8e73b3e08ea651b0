# SPDX-License-Identifier: Apache-2.0
"""WADO-RS bodies: instances, frames, bulk values, metadata and pictures.

Order of every read: find (a stranger gets 404), agree on a form (406), record the access, then
the first byte. The first piece is made before the answer starts, so that damaged or undecodable
objects give an error and not half an answer.
"""

import asyncio
import functools
import mmap
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.render import Rendering, render_frame
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.metadata import instance_url, to_json, with_bulk_uris
from healthvision.interfaces.dicomweb.multipart import OutPart, PartWriter
from healthvision.interfaces.dicomweb.query import BadParameter
from healthvision.interfaces.dicomweb.ranges import span_of
from healthvision.interfaces.dicomweb.transcode import (
    CannotDecode,
    frame_as_explicit,
    inflated_value,
    to_explicit,
)
from healthvision.kernel.apart import ChildLost, ChildProcesses
from healthvision.kernel.db import Database
from healthvision.kernel.errors import NotAcceptable, NotFound
from healthvision.kernel.http import database_of
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

T = TypeVar("T")
MAX_FRAMES = 10_000  # frames named in one request
BIG_ENDIAN = "1.2.840.10008.1.2.2"
PIXELS = "7FE00010"
_WHOLE_BYTES = 4 << 20  # up to this an object is read whole for one picture
_DECODERS = 2  # decoding jobs of this process at the same time


@dataclass(frozen=True, slots=True)
class Target:
    """What a request reads, and who reads it. ``space``: slug or id."""

    db: Database
    actor: Actor
    space: str
    study: str
    series: str | None = None
    sop: str | None = None

    async def refs(self) -> tuple[UUID, list[InstanceRef]]:
        """Return the space's id and the instances; raises SpaceNotFound or StudyNotFound."""
        async with self.db.reading() as session:
            space = await spaces.get(session, self.actor, self.space)
            found = await archive.locate(
                session, self.actor, space.id, self.study, self.series, self.sop
            )
        return space.id, found

    async def record(self, space_id: UUID, refs: Sequence[InstanceRef]) -> None:
        """Write the audit row; raises AuditUnavailable, and then nothing may be answered."""
        await archive.record_access(self.db, self.actor, refs, space_id=space_id)

    async def record_metadata(self, space_id: UUID, refs: Sequence[InstanceRef]) -> None:
        """Write the audit row of a read of attributes; raises AuditUnavailable."""
        await audit.record_read(
            self.db,
            self.actor,
            "archive.metadata_read",
            refs[0].study_id,
            kind="study",
            patient_id=refs[0].patient_ref,
            space_id=space_id,
            detail={"instances": len(refs)},
        )


class Decoders:
    """Lets few decoding jobs run at once: in a thread, or apart when a decoder in C is at work."""

    def __init__(self) -> None:
        self._gate = asyncio.Semaphore(_DECODERS)
        self._children = ChildProcesses(_DECODERS)

    async def run(self, function: Callable[..., T], *arguments: object, apart: bool = False) -> T:
        """Run a function that takes processor time and memory.

        ``apart``: in a child process, since some decoders end their process on damaged input.
        Raises CannotDecode.
        """
        if apart:
            try:
                return await self._children.run(function, *arguments)
            except ChildLost as lost:
                raise CannotDecode(lost.detail) from None
        async with self._gate:
            return await asyncio.to_thread(functools.partial(function, *arguments))


def decoders_of(db: Database) -> Decoders:
    """Return the process's gate for decoding."""
    if not db.resources.has(Decoders):
        db.resources.put(Decoders, Decoders())
    return db.resources.get(Decoders)


def root_of(request: Request, space: str) -> str:
    """Return the URL of a space's DICOMweb service as users see it."""
    public = database_of(request).resources.get(CoreSettings).public_url.rstrip("/")
    return f"{public}/dicomweb/{space}"


def _url(root: str, ref: InstanceRef) -> str:
    return instance_url(root, ref.study_uid, ref.series_uid, ref.sop_uid)


async def streamed(
    body: AsyncIterator[bytes], media: str, headers: dict[str, str], status: int = 200
) -> Response:
    """Return a streaming answer whose first piece is already made."""
    first = await anext(body, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in body:
            yield piece

    return StreamingResponse(whole(), status, headers, media_type=media)


async def instances(request: Request, target: Target) -> Response:
    """Return whole instances: multipart, or one alone as application/dicom with Range."""
    space_id, refs = await target.refs()
    one = target.sop is not None
    forms = agree.forms_for_instances(agree.accepted_by(request), one=one)
    form, syntaxes = _agreed(forms, refs)
    await target.record(space_id, refs)
    if not form.multipart:
        return await _single(request, target.db, refs[0], syntaxes[0])
    root = root_of(request, target.space)
    writer = PartWriter()
    headers: dict[str, str] = {}
    if all(s == r.transfer_syntax for s, r in zip(syntaxes, refs, strict=True)):
        headers["Content-Length"] = str(_length(writer, refs, root))
    body = writer.frame(_instance_parts(target.db, refs, syntaxes, root))
    return await streamed(body, writer.content_type(agree.DICOM), headers)


def _agreed(
    forms: Sequence[agree.Form], refs: Sequence[InstanceRef]
) -> tuple[agree.Form, list[str]]:
    """Return the first form all instances can take, with the transfer syntax of each."""
    refusal: NotAcceptable | None = None
    for form in forms:
        try:
            return form, [
                agree.instance_syntax(form, r.transfer_syntax, compressed=r.encapsulated)
                for r in refs
            ]
        except NotAcceptable as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


async def _single(request: Request, db: Database, ref: InstanceRef, syntax: str) -> Response:
    media = f"{agree.DICOM}; transfer-syntax={syntax}"
    if syntax != ref.transfer_syntax:
        return Response(await _transcoded(db, ref), media_type=media)
    span = span_of(request.headers.get("range"), ref.size)
    body = archive.open_bytes(db, ref, span.start, span.length)
    headers = {**span.headers, "ETag": f'"{ref.location.sha256}"'}
    return await streamed(body, media, headers, span.status)


async def _transcoded(db: Database, ref: InstanceRef) -> bytes:
    data = await archive.read_bytes(db, ref)
    return await decoders_of(db).run(to_explicit, data, apart=ref.encapsulated)


def _media_and_place(ref: InstanceRef, syntax: str, root: str) -> tuple[str, str]:
    return f"{agree.DICOM}; transfer-syntax={syntax}", _url(root, ref)


def _length(writer: PartWriter, refs: Sequence[InstanceRef], root: str) -> int:
    total = len(writer.tail)
    for number, ref in enumerate(refs):
        media, place = _media_and_place(ref, ref.transfer_syntax, root)
        total += len(writer.head(media, ref.size, place, first=number == 0)) + ref.size
    return total


async def _instance_parts(
    db: Database, refs: Sequence[InstanceRef], syntaxes: Sequence[str], root: str
) -> AsyncIterator[OutPart]:
    for ref, syntax in zip(refs, syntaxes, strict=True):
        media, place = _media_and_place(ref, syntax, root)
        if syntax == ref.transfer_syntax:
            yield OutPart(media, ref.size, archive.open_bytes(db, ref), place)
        else:
            data = await _transcoded(db, ref)
            yield OutPart(media, len(data), _at_once(data), place)


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def frame_numbers(text: str) -> list[int]:
    """Return frame numbers (from 1) of a list such as '1,2,5'; raises BadParameter."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise BadParameter("frames must be numbers separated by commas", parameter="frames")
    numbers = [int(n) for n in text.split(",")]
    if 0 in numbers or len(numbers) > MAX_FRAMES:
        raise BadParameter(f"frames must be 1 to {MAX_FRAMES} numbers from 1", parameter="frames")
    return numbers


def _check_frames(ref: InstanceRef, numbers: Sequence[int]) -> None:
    if ref.pixel_offset is None:
        raise NotFound("the instance has no frames")
    if max(numbers) > ref.number_of_frames:
        raise NotFound(f"the instance has {ref.number_of_frames} frames")


async def frames(request: Request, target: Target, listed: str) -> Response:
    """Return frames as octet streams (native or as stored) or as the stored image type."""
    numbers = frame_numbers(listed)
    space_id, (ref, *_) = await target.refs()
    _check_frames(ref, numbers)
    forms = agree.forms_for_frames(agree.accepted_by(request), one=len(numbers) == 1)
    form = agree.frame_form(forms, ref.transfer_syntax)
    await target.record(space_id, [ref])
    return await _frames_answer(request, target, ref, numbers, form)


async def _frames_answer(
    request: Request, target: Target, ref: InstanceRef, numbers: Sequence[int], form: agree.Form
) -> Response:
    as_stored = _as_stored(ref, form)
    syntax = ref.transfer_syntax if as_stored else agree.EXPLICIT_LE
    media = f"{form.kind}; transfer-syntax={syntax}"
    source = _FrameSource(target.db, ref, as_stored)
    if not form.multipart:
        return Response(await source.read(numbers[0]), media_type=media)
    place = _url(root_of(request, target.space), ref)
    writer = PartWriter()
    body = writer.frame(source.parts(numbers, media, place))
    return await streamed(body, writer.content_type(form.kind), {})


def _as_stored(ref: InstanceRef, form: agree.Form) -> bool:
    """Whether the stored bytes of frames go out as they are."""
    if ref.deflated or len(ref.frames) != ref.number_of_frames:
        return False
    if form.transfer_syntax in (agree.ANY, ref.transfer_syntax):
        return True
    return not ref.encapsulated and ref.transfer_syntax != BIG_ENDIAN


@dataclass(slots=True)
class _FrameSource:
    """Reads frames of one instance, stored bytes by their place or decoded."""

    db: Database
    ref: InstanceRef
    as_stored: bool
    _data: bytes | None = None

    async def read(self, number: int) -> bytes:
        if self.as_stored:
            spans = self.ref.frames[number - 1]
            pieces = [await archive.read_bytes(self.db, self.ref, *span) for span in spans]
            return b"".join(pieces)
        if self._data is None:
            self._data = await archive.read_bytes(self.db, self.ref)
        return await decoders_of(self.db).run(
            frame_as_explicit, self._data, number - 1, apart=self.ref.encapsulated
        )

    async def parts(self, numbers: Sequence[int], media: str, place: str) -> AsyncIterator[OutPart]:
        for number in numbers:
            data = await self.read(number)
            yield OutPart(media, len(data), _at_once(data), f"{place}/frames/{number}")


async def bulk_data(request: Request, target: Target, path: str) -> Response:
    """Return one value left out of the metadata; single-part answers know Range."""
    space_id, (ref, *_) = await target.refs()
    if path not in ref.bulk:
        raise NotFound("the instance has no such bulk value")
    if path == PIXELS and ref.encapsulated:
        await target.record(space_id, [ref])
        form = agree.Form(agree.OCTETS, True, agree.ANY)
        numbers = range(1, len(ref.frames) + 1)
        return await _frames_answer(request, target, ref, numbers, form)
    form = agree.form_of_bulk(agree.accepted_by(request))
    await target.record(space_id, [ref])
    _, offset, length = ref.bulk[path]
    if ref.deflated:
        data = await archive.read_bytes(target.db, ref)
        value = await decoders_of(target.db).run(inflated_value, data, offset, length)
        return Response(value, media_type=agree.OCTETS)
    if not form.multipart:
        span = span_of(request.headers.get("range"), length)
        body = archive.open_bytes(target.db, ref, offset + span.start, span.length)
        return await streamed(body, agree.OCTETS, span.headers, span.status)
    writer = PartWriter()
    place = f"{_url(root_of(request, target.space), ref)}/bulkdata/{path}"

    async def parts() -> AsyncIterator[OutPart]:
        body = archive.open_bytes(target.db, ref, offset, length)
        yield OutPart(agree.OCTETS, length, body, place)

    head = len(writer.head(agree.OCTETS, length, place, first=True))
    headers = {"Content-Length": str(head + length + len(writer.tail))}
    return await streamed(writer.frame(parts()), writer.content_type(agree.OCTETS), headers)


async def metadata(request: Request, target: Target) -> Response:
    """Return the DICOM JSON of instances, with the addresses of their bulk values."""
    media = agree.json_kind(agree.accepted_by(request))
    async with target.db.reading() as session:
        space = await spaces.get(session, target.actor, target.space)
        found = await archive.metadata(
            session, target.actor, space.id, target.study, target.series, target.sop
        )
    await target.record_metadata(space.id, [ref for ref, _ in found])
    root = root_of(request, target.space)

    def build() -> bytes:
        return to_json([with_bulk_uris(d, r.bulk, _url(root, r)) for r, d in found])

    body = await asyncio.to_thread(build) if len(found) > 20 else build()
    return Response(body, media_type=media)


async def rendered(target: Target, how: Rendering, *, frame: int | None) -> Response:
    """Return a picture of one frame (from 1); None: the middle one of the middle instance."""
    space_id, refs = await target.refs()
    pictures = [r for r in refs if r.pixel_offset is not None and r.rows and r.columns]
    if not pictures:
        raise NotAcceptable("there is no picture in it")
    ref = pictures[len(pictures) // 2] if target.sop is None else pictures[0]
    number = ref.number_of_frames // 2 + 1 if frame is None else frame
    _check_frames(ref, [number])
    await target.record(space_id, [ref])
    data = await _for_one_frame(target.db, ref, number)
    picture = await decoders_of(target.db).run(
        _picture, data, number - 1, how, apart=ref.encapsulated
    )
    return Response(picture, media_type=how.media, headers={"Cache-Control": "private"})


async def _for_one_frame(db: Database, ref: InstanceRef, number: int) -> bytes | mmap.mmap:
    """Return an object in which at least one frame and everything but pixels is filled in.

    Large native objects come as an anonymous mapping whose other frames are never read.
    """
    whole = ref.encapsulated or ref.deflated or ref.pixel_offset is None or not ref.frames
    if whole or ref.size <= _WHOLE_BYTES:
        return await archive.read_bytes(db, ref)
    assert ref.pixel_offset is not None and ref.pixel_length is not None
    after = ref.pixel_offset + ref.pixel_length
    spans = [(0, ref.pixel_offset), *ref.frames[number - 1], (after, ref.size - after)]
    sparse = mmap.mmap(-1, ref.size)
    for offset, length in spans:
        if length:
            sparse[offset : offset + length] = await archive.read_bytes(db, ref, offset, length)
    return sparse


def _picture(data: bytes | mmap.mmap, index: int, how: Rendering) -> bytes:
    try:
        return render_frame(data, read_header(data), frame=index, how=how)
    except DicomRefused as problem:
        raise CannotDecode(problem.detail) from None
