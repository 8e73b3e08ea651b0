# SPDX-License-Identifier: Apache-2.0
"""Rendered resources (PS3.18 10.4.1.1.4): pictures, moving pictures, films, documents.

| Stored            | Asked (first = anything)             | Given                             |
|-------------------|--------------------------------------|-----------------------------------|
| image             | image/jpeg, image/png                | the first or the named frame      |
| image             | image/gif, video/mp4                 | all frames, unless one is named   |
| video             | its own type                         | the stored stream                 |
| encapsulated PDF  | application/pdf                      | the document                      |
| structured report | text/html                            | its content as a list             |

A series or study gives its middle picture, or every picture as multipart/related when that is
asked for.
"""

import mmap
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.render import Rendering
from healthvision.formats.dicom.shown import (
    PDF_CLASS,
    SR_CLASSES,
    document_of,
    show_frame,
    show_moving,
    show_report,
)
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.media import MediaType, first_match, matches
from healthvision.interfaces.dicomweb.metadata import instance_url
from healthvision.interfaces.dicomweb.multipart import OutPart, PartWriter
from healthvision.interfaces.dicomweb.rendering import rendering_of, thumbnail_of
from healthvision.interfaces.dicomweb.retrieve import (
    Target,
    check_frames,
    frame_numbers,
    root_of,
)
from healthvision.interfaces.dicomweb.streaming import streamed
from healthvision.interfaces.dicomweb.transcode import CannotDecode, decoders_of
from healthvision.kernel.db import Database
from healthvision.kernel.errors import NotAcceptable

_WHOLE_BYTES = 4 << 20  # up to this an object is read whole for one picture
_SAFE = {"Cache-Control": "private", "Content-Security-Policy": "default-src 'none'; sandbox"}


async def rendered(request: Request, target: Target, frames: str | None = None) -> Response:
    """Return what people see of a resource; ``frames``: numbers from 1, the first is shown."""
    accepted = agree.accepted_by(request)
    part = _part_kind(accepted)
    if part and target.sop is None:
        return await _every(request, target, part)
    return await rendered_as(target, accepted, request.query_params, frames)


async def rendered_as(
    target: Target,
    accepted: Sequence[MediaType],
    parameters: Mapping[str, str],
    frames: str | None = None,
) -> Response:
    """Return a picture, a moving picture or a document of a resource."""
    number = None if frames is None else frame_numbers(frames)[0]
    space_id, refs = await target.refs()
    ref = _shown_one(refs, target)
    if ref is None:
        return await _document(target, space_id, refs, accepted)
    if _is_video(ref):
        return await _video(target, space_id, ref, accepted)
    media = agree.rendered_kind(accepted)
    how = rendering_of(parameters, media)
    if number is not None:
        check_frames(ref, [number])
    await target.record(space_id, [ref])
    if media == agree.MP4 or (media == agree.GIF and number is None and ref.number_of_frames > 1):
        picture = await _moving(target.db, ref, how)
    else:
        first = number or (1 if target.sop else _middle(ref))
        picture = await picture_of(target.db, ref, first, how)
    return Response(picture, media_type=media, headers={"Cache-Control": "private"})


async def thumbnail(request: Request, target: Target) -> Response:
    """Return a small picture: of a sealed series the ready one, else the middle image."""
    media = agree.rendered_kind(agree.accepted_by(request))
    parameters: Mapping[str, str] = request.query_params
    if target.series and not target.sop and media == agree.JPEG and "viewport" not in parameters:
        ready = await archive.thumbnail(
            target.db, target.actor, target.space, target.study, target.series
        )
        if ready:
            return Response(ready, media_type=media, headers={"Cache-Control": "private"})
    space_id, refs = await target.refs()
    ref = _shown_one(refs, target)
    if ref is None:
        raise NotAcceptable("there is no picture in it")
    how = thumbnail_of(parameters, media)
    await target.record(space_id, [ref])
    picture = await picture_of(target.db, ref, _middle(ref), how)
    return Response(picture, media_type=media, headers={"Cache-Control": "private"})


def _middle(ref: InstanceRef) -> int:
    return ref.number_of_frames // 2 + 1


def _shown_one(refs: Sequence[InstanceRef], target: Target) -> InstanceRef | None:
    pictures = [r for r in refs if has_picture(r)]
    if not pictures:
        return None
    return pictures[0] if target.sop else pictures[len(pictures) // 2]


def has_picture(ref: InstanceRef) -> bool:
    """Tell whether there are pixels of known size in an instance."""
    return ref.pixel_offset is not None and bool(ref.rows and ref.columns)


def _is_video(ref: InstanceRef) -> bool:
    return agree.FRAME_MEDIA.get(ref.transfer_syntax, "").startswith("video/")


def _part_kind(accepted: Sequence[MediaType]) -> str:
    """Return the kind of the parts when multipart pictures are what the caller likes best."""
    best = accepted[0] if accepted else None
    if best is None or best.name != agree.MULTIPART:
        return ""
    return next((k for k in (agree.JPEG, agree.PNG) if matches(best.part, k)), "")


async def _every(request: Request, target: Target, kind: str) -> Response:
    """Return each picture as one part; frames that cannot be decoded are left out."""
    how = rendering_of(request.query_params, kind)
    space_id, refs = await target.refs()
    shown = [r for r in refs if has_picture(r) and not _is_video(r)]
    if not shown:
        raise NotAcceptable("there is no picture in it")
    await target.record(space_id, shown)
    root = root_of(request, target.space)

    async def parts() -> AsyncIterator[OutPart]:
        for ref in shown:
            for number in range(1, ref.number_of_frames + 1):
                try:
                    data = await picture_of(target.db, ref, number, how)
                except NotAcceptable:
                    continue
                place = instance_url(root, ref.study_uid, ref.series_uid, ref.sop_uid)
                yield OutPart(kind, len(data), _once(data), f"{place}/frames/{number}/rendered")

    writer = PartWriter()
    return await streamed(writer.frame(parts()), writer.content_type(kind), {})


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def picture_of(db: Database, ref: InstanceRef, number: int, how: Rendering) -> bytes:
    """Return frame ``number`` (from 1) as a picture; raises CannotDecode.

    The caller has checked the number and recorded the access.
    """
    decoders = decoders_of(db)
    key = (ref.id, ref.digest, how, number)
    made = decoders.kept.get(key)
    if made is None:
        data = await _for_one_frame(db, ref, number)
        try:
            made = await decoders.run(show_frame, data, number - 1, how, apart=ref.encapsulated)
        except DicomRefused as problem:
            raise CannotDecode(problem.detail) from None
        decoders.kept.put(key, made)
    return made


async def _moving(db: Database, ref: InstanceRef, how: Rendering) -> bytes:
    data = await archive.read_bytes(db, ref)
    return await decoders_of(db).run(show_moving, data, how, apart=True)


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


async def _video(
    target: Target, space_id: UUID, ref: InstanceRef, accepted: Sequence[MediaType]
) -> Response:
    """Return a stored film as it is: its fragments joined."""
    kind = agree.FRAME_MEDIA[ref.transfer_syntax]
    if first_match(accepted, [kind]) is None:
        raise CannotDecode(f"the object is a film; ask for {kind}")
    await target.record(space_id, [ref])

    async def body() -> AsyncIterator[bytes]:
        for frame in ref.frames:
            for offset, length in frame:
                async for piece in archive.open_bytes(target.db, ref, offset, length):
                    yield piece

    size = sum(length for frame in ref.frames for _, length in frame)
    return await streamed(body(), kind, {"Content-Length": str(size), **_SAFE})


async def _document(
    target: Target, space_id: UUID, refs: Sequence[InstanceRef], accepted: Sequence[MediaType]
) -> Response:
    """Return the document of one instance, a PDF or a report as HTML."""
    ref = refs[0]
    kind = _document_kind(ref) if target.sop else ""
    if not kind:
        raise NotAcceptable("there is no picture in it")
    if first_match(accepted, [kind]) is None:
        raise NotAcceptable(f"there is no picture in it; it can be given as {kind}")
    await target.record(space_id, [ref])
    data = await archive.read_bytes(target.db, ref)
    function = document_of if kind == agree.PDF else show_report
    try:
        body = await decoders_of(target.db).run(function, data)
    except DicomRefused as problem:
        raise CannotDecode(problem.detail) from None
    media = kind if kind == agree.PDF else f"{kind}; charset=utf-8"
    style = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return Response(body, media_type=media, headers={**_SAFE, **style})


def _document_kind(ref: InstanceRef) -> str:
    if ref.sop_class_uid == PDF_CLASS:
        return agree.PDF
    return agree.HTML if ref.sop_class_uid.startswith(SR_CLASSES) else ""
