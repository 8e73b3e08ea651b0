# SPDX-License-Identifier: Apache-2.0
"""WADO-RS bodies: instances, frames, bulk values, metadata and pictures.

Order of every read: find (a stranger gets 404), agree on a form (406), record the access, then
the first byte. The first piece is made before the answer starts, so that damaged or undecodable
objects give an error and not half an answer.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.audit import service as audit
from healthvision.formats.dicom.transcoding import TARGETS, inflated_value
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.metadata import instance_url
from healthvision.interfaces.dicomweb.multipart import OutPart, PartWriter
from healthvision.interfaces.dicomweb.query import BadParameter
from healthvision.interfaces.dicomweb.ranges import span_of
from healthvision.interfaces.dicomweb.streaming import Piece, streamed
from healthvision.interfaces.dicomweb.transcode import decoders_of, frame_as, object_as, objects_as
from healthvision.interfaces.dicomweb.zipping import zipped
from healthvision.kernel.db import Database
from healthvision.kernel.errors import NotAcceptable, NotFound
from healthvision.kernel.http import database_of
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

MAX_FRAMES = 10_000  # frames named in one request
BIG_ENDIAN = "1.2.840.10008.1.2.2"
PIXELS = "7FE00010"
_MANY = 100  # documents put together in a thread


@dataclass(frozen=True, slots=True)
class Target:
    """What a request reads, and who reads it. ``space``: slug or id.

    ``original``: objects as they were received, whatever was corrected since.
    """

    db: Database
    actor: Actor
    space: str
    study: str
    series: str | None = None
    sop: str | None = None
    original: bool = False

    @property
    def wanted(self) -> archive.Wanted:
        """Return what the archive is asked for."""
        return archive.Wanted(self.space, self.study, self.series, self.sop)

    async def refs(self, *, stored: bool = False) -> tuple[UUID, list[InstanceRef]]:
        """Return the space's id and the instances; raises SpaceNotFound or StudyNotFound.

        ``stored``: with the places of their values in the stored objects.
        """
        as_stored = stored or self.original
        place, found = await archive.find_refs(self.db, self.actor, self.wanted, stored=as_stored)
        return place.space_id, found

    async def record(self, space_id: UUID, refs: Sequence[InstanceRef]) -> None:
        """Write the audit row; raises AuditUnavailable, and then nothing may be answered."""
        await archive.record_access(self.db, self.actor, refs, space_id=space_id)


def root_of(request: Request, space: str) -> str:
    """Return the URL of a space's DICOMweb service as users see it."""
    public = database_of(request).resources.get(CoreSettings).public_url.rstrip("/")
    return f"{public}/dicomweb/{space}"


def _url(root: str, ref: InstanceRef) -> str:
    return instance_url(root, ref.study_uid, ref.series_uid, ref.sop_uid)


async def instances(request: Request, target: Target) -> Response:
    """Return whole instances: multipart, a zip, or one alone as application/dicom with Range."""
    space_id, refs = await target.refs()
    one = target.sop is not None
    forms = agree.forms_for_instances(agree.accepted_by(request), one=one)
    form, syntaxes = _agreed(forms, refs)
    await target.record(space_id, refs)
    if form.kind == agree.ZIP:
        name = {"Content-Disposition": f'attachment; filename="{target.sop or target.study}.zip"'}
        return await streamed(zipped(target.db, refs, syntaxes), agree.ZIP, name)
    if not form.multipart:
        return await _single(request, target.db, refs[0], syntaxes[0])
    root = root_of(request, target.space)
    writer = PartWriter()
    kind = writer.content_type(agree.DICOM)
    if all(s == r.transfer_syntax for s, r in zip(syntaxes, refs, strict=True)):
        heads = _heads(writer, refs, root)
        length = sum(map(len, heads)) + sum(r.size for r in refs) + len(writer.tail)
        body = _as_they_are(target.db, refs, heads, writer.tail)
        return await streamed(body, kind, {"Content-Length": str(length)})
    parts = _instance_parts(target.db, refs, syntaxes, root)
    return await streamed(writer.frame(parts), kind, {})


async def one_instance(request: Request, target: Target, syntax: str) -> Response:
    """Return one instance as application/dicom in a transfer syntax, '*' as stored."""
    space_id, (ref, *_) = await target.refs()
    form = agree.Form(agree.DICOM, False, syntax)
    _, (agreed,) = _agreed([form], [ref])
    await target.record(space_id, [ref])
    return await _single(request, target.db, ref, agreed)


def _heads(writer: PartWriter, refs: Sequence[InstanceRef], root: str) -> list[bytes]:
    """Return what stands before each instance in a multipart message."""
    heads = []
    for number, ref in enumerate(refs):
        media, place = _media_and_place(ref, ref.transfer_syntax, root)
        heads.append(writer.head(media, ref.size, place, first=number == 0))
    return heads


async def _as_they_are(
    db: Database, refs: Sequence[InstanceRef], heads: Sequence[bytes], tail: bytes
) -> AsyncIterator[Piece]:
    """Yield the multipart message of instances as stored."""
    async for piece in archive.open_joined(db, refs, heads):
        yield piece
    yield tail


def _agreed(
    forms: Sequence[agree.Form], refs: Sequence[InstanceRef]
) -> tuple[agree.Form, list[str]]:
    """Return the first form all instances can take, with the transfer syntax of each."""
    refusal: NotAcceptable | None = None
    for form in forms:
        try:
            return form, [
                agree.instance_syntax(
                    form,
                    r.transfer_syntax,
                    compressed=r.encapsulated,
                    pixels=r.pixel_offset is not None,
                )
                for r in refs
            ]
        except NotAcceptable as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


async def _single(request: Request, db: Database, ref: InstanceRef, syntax: str) -> Response:
    media = f"{agree.DICOM}; transfer-syntax={syntax}"
    if syntax != ref.transfer_syntax:
        return Response(await object_as(db, ref, syntax), media_type=media)
    span = span_of(request.headers.get("range"), ref.size)
    body = archive.open_bytes(db, ref, span.start, span.length)
    headers = {**span.headers, "ETag": f'"{ref.digest}"'}
    return await streamed(body, media, headers, span.status)


def _media_and_place(ref: InstanceRef, syntax: str, root: str) -> tuple[str, str]:
    return f"{agree.DICOM}; transfer-syntax={syntax}", _url(root, ref)


async def _instance_parts(
    db: Database, refs: Sequence[InstanceRef], syntaxes: Sequence[str], root: str
) -> AsyncIterator[OutPart]:
    async with aclosing(objects_as(db, refs, syntaxes)) as made:
        for ref, syntax in zip(refs, syntaxes, strict=True):
            media, place = _media_and_place(ref, syntax, root)
            data = await anext(made)
            if data is None:
                yield OutPart(media, ref.size, archive.open_bytes(db, ref), place)
            else:
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
    if len(set(numbers)) < len(numbers):  # PS3.18 table 10.1.2-1: non-duplicate
        raise BadParameter("a frame is named twice", parameter="frames")
    return numbers


def check_frames(ref: InstanceRef, numbers: Sequence[int]) -> None:
    """Raise NotFound when the instance lacks one of the frames."""
    if ref.pixel_offset is None:
        raise NotFound("the instance has no frames")
    if max(numbers) > ref.number_of_frames:
        raise NotFound(f"the instance has {ref.number_of_frames} frames")


async def frames(request: Request, target: Target, listed: str) -> Response:
    """Return frames as octet streams (native or as stored) or as the stored image type."""
    numbers = frame_numbers(listed)
    space_id, (ref, *_) = await target.refs(stored=True)
    check_frames(ref, numbers)
    forms = agree.forms_for_frames(agree.accepted_by(request), one=len(numbers) == 1)
    form = agree.frame_form(forms, ref.transfer_syntax)
    await target.record(space_id, [ref])
    return await _frames_answer(request, target, ref, numbers, form)


async def _frames_answer(
    request: Request, target: Target, ref: InstanceRef, numbers: Sequence[int], form: agree.Form
) -> Response:
    as_stored = _as_stored(ref, form)
    made = form.transfer_syntax if form.transfer_syntax in TARGETS else agree.EXPLICIT_LE
    syntax = ref.transfer_syntax if as_stored else made
    media = f"{form.kind}; transfer-syntax={syntax}"
    source = _FrameSource(target.db, ref, as_stored, syntax)
    if not form.multipart:
        return Response(await source.read(numbers[0]), media_type=media)
    place = _url(root_of(request, target.space), ref)
    writer = PartWriter()
    kind = writer.content_type(form.kind)
    if len(numbers) == 1:
        data = await source.read(numbers[0])
        head = writer.head(media, len(data), f"{place}/frames/{numbers[0]}", first=True)
        return Response(b"".join((head, data, writer.tail)), headers={"Content-Type": kind})
    return await streamed(writer.frame(source.parts(numbers, media, place)), kind, {})


def _as_stored(ref: InstanceRef, form: agree.Form) -> bool:
    """Whether the stored bytes of frames go out as they are."""
    if ref.deflated or len(ref.frames) != ref.number_of_frames:
        return False
    if form.transfer_syntax in (agree.ANY, ref.transfer_syntax):
        return True
    native = form.transfer_syntax in ("", agree.EXPLICIT_LE, agree.IMPLICIT_LE)
    return native and not ref.encapsulated and ref.transfer_syntax != BIG_ENDIAN


@dataclass(slots=True)
class _FrameSource:
    """Reads frames of one instance, stored bytes by their place or decoded."""

    db: Database
    ref: InstanceRef
    as_stored: bool
    syntax: str
    _data: bytes | None = None

    async def read(self, number: int) -> bytes:
        if self.as_stored:
            spans = self.ref.frames[number - 1]
            pieces = [await archive.read_bytes(self.db, self.ref, *span) for span in spans]
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._data is None:
            self._data = await archive.read_bytes(self.db, self.ref)
        return await frame_as(self.db, self.ref, number, self.syntax, self._data)

    async def parts(self, numbers: Sequence[int], media: str, place: str) -> AsyncIterator[OutPart]:
        for number in numbers:
            data = await self.read(number)
            yield OutPart(media, len(data), _at_once(data), f"{place}/frames/{number}")


async def bulk_data(request: Request, target: Target, path: str) -> Response:
    """Return one value left out of the metadata; single-part answers know Range."""
    space_id, (ref, *_) = await target.refs(stored=True)
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
    place, found = await archive.ready_metadata(
        target.db, target.actor, target.wanted, stored=target.original
    )
    await audit.record_read(
        target.db,
        target.actor,
        "archive.metadata_read",
        place.study_id,
        kind="study",
        patient_id=place.patient_ref,
        space_id=place.space_id,
        detail={"instances": len(found)},
    )
    root = root_of(request, target.space)

    def build() -> bytes:
        texts = (
            archive.addressed(m.text, instance_url(root, target.study, m.series_uid, m.sop_uid))
            for m in found
        )
        return b"[" + b",".join(texts) + b"]"

    body = await asyncio.to_thread(build) if len(found) > _MANY else build()
    return Response(body, media_type=media)
