# SPDX-License-Identifier: Apache-2.0
"""Uploads through presigned URLs: parts, resume, and waiting until the file is taken in."""

import hashlib
from pathlib import Path
from uuid import UUID

from healthvision.client.calls import answers
from healthvision.client.effects import Call, Operation, Pause, Progress, Stream, Work
from healthvision.client.engine import deadline, left
from healthvision.client.errors import UploadFailed, WaitTimeout
from healthvision.client.models import Upload, UploadMeta, UploadPart

OVER = frozenset({"done", "failed"})


def upload(
    path: Path,
    *,
    space: str = "default",
    meta: UploadMeta | None = None,
    content_type: str = "application/octet-stream",
    progress: Progress | None = None,
    timeout_s: float = 3600.0,
) -> Operation[Upload]:
    """Upload one file (DICOM, zip, NIfTI, JPEG, PNG, TIFF) and wait until it is taken in.

    Raises UploadFailed or WaitTimeout. After an interruption go on with ``resume_upload``.
    """
    size, digest = yield Work(lambda: _measure(path))
    body = {
        "filename": path.name,
        "size": size,
        "content_type": content_type,
        "sha256": digest,
        "space": space,
        "meta": (meta or UploadMeta()).model_dump(exclude_defaults=True),
    }
    begun = yield from answers.post(Upload, "/v1/uploads", body)
    return (yield from _send(begun, path, digest, progress, timeout_s))


def resume_upload(
    upload_id: UUID,
    path: Path,
    *,
    progress: Progress | None = None,
    timeout_s: float = 3600.0,
) -> Operation[Upload]:
    """Send the parts of an upload that the server does not have yet, and finish it."""
    begun = yield from get_upload(upload_id)
    size, digest = yield Work(lambda: _measure(path))
    if size != begun.size:
        raise UploadFailed(f"the file has {size} bytes, the upload was begun with {begun.size}")
    return (yield from _send(begun, path, digest, progress, timeout_s))


def get_upload(upload_id: UUID) -> Operation[Upload]:
    """Return an upload and how far it is."""
    return answers.get(Upload, f"/v1/uploads/{upload_id}")


def _send(
    begun: Upload, path: Path, digest: str, progress: Progress | None, timeout_s: float
) -> Operation[Upload]:
    until = deadline(timeout_s)
    sent = sum(part.size for part in begun.parts if part.done)
    if begun.state == "waiting":
        for part in begun.parts:
            if not part.done:
                yield _part(part, path, begun.size, sent, progress)
                sent += part.size
        yield answers.posting(f"/v1/uploads/{begun.id}/complete", {"sha256": digest})
    return (yield from wait_for_upload(begun.id, timeout_s=left(until)))


def _part(part: UploadPart, path: Path, total: int, before: int, progress: Progress | None) -> Call:
    on_sent = None if progress is None else (lambda sent: progress(before + sent, total))
    return Call(
        part.method,
        part.url,
        headers=part.headers,
        content=Stream([(path, part.offset, part.size)], on_sent),
        signed=True,
        expected=frozenset({409}),  # a part that arrived although its answer was lost
        timeout_s=600.0,
    )


def wait_for_upload(upload_id: UUID, *, timeout_s: float = 3600.0) -> Operation[Upload]:
    """Wait until an upload is taken in; raises UploadFailed or WaitTimeout."""
    until, pause = deadline(timeout_s), 0.1
    while True:
        found = yield from get_upload(upload_id)
        if found.state == "failed":
            raise UploadFailed(found.error or "the upload failed")
        if found.state in OVER:
            return found
        if left(until) <= 0:
            raise WaitTimeout(f"upload {upload_id} is still {found.state}")
        yield Pause(min(pause, left(until)))
        pause = min(2.0, pause * 1.5)


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest
