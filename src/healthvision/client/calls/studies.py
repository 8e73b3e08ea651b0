# SPDX-License-Identifier: Apache-2.0
"""Studies, and bringing DICOM files in by STOW-RS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from healthvision.client.calls import answers
from healthvision.client.effects import Call, Operation, Progress, Save, Stream
from healthvision.client.models import Page, Refused, Stored, StoreResult, Study

DICOM_JSON = "application/dicom+json"


def studies(
    *,
    patient_id: str | None = None,
    accession_number: str | None = None,
    study_uid: str | None = None,
    space: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Operation[Page[Study]]:
    """List studies, newest first, one page at a time."""
    query = {
        "patient_id": patient_id,
        "accession_number": accession_number,
        "study_uid": study_uid,
        "space": space,
        "cursor": cursor,
        "limit": limit,
    }
    return answers.get_page(Study, "/v1/studies", query)


def study(study_id: UUID) -> Operation[Study]:
    """Return one study with its series and spaces."""
    return answers.get(Study, f"/v1/studies/{study_id}")


def find_study(study_uid: str, *, space: str = "default") -> Operation[Study | None]:
    """Return the study with a Study Instance UID, None when the caller sees no such study."""
    page = yield from studies(study_uid=study_uid, space=space, limit=1)
    return page.items[0] if page.items else None


def close_study(study_id: UUID, *, space: str = "default") -> Operation[None]:
    """Say that no more instances will come, so that analysis starts at once."""
    yield answers.posting(f"/v1/studies/{study_id}/close", {"space": space})
    return None


def delete_study(study_id: UUID) -> Operation[None]:
    """Delete a study; it is purged later, unless a legal hold keeps it."""
    return answers.delete(f"/v1/studies/{study_id}")


def search(
    level: str = "studies", *, space: str = "default", **filters: str | int
) -> Operation[list[dict[str, Any]]]:
    """Search by QIDO-RS; ``level``: a path such as 'studies' or 'studies/1.2/series'.

    ``filters``: DICOM keywords, limit, offset, includefield. Returns DICOM JSON.
    """
    headers = {"Accept": DICOM_JSON}
    response: httpx.Response = yield Call("GET", f"/dicomweb/{space}/{level}", filters, headers)
    found: list[dict[str, Any]] = response.json()
    return found


def download_instance(
    study_uid: str,
    series_uid: str,
    sop_uid: str,
    target: Path,
    *,
    space: str = "default",
    progress: Progress | None = None,
) -> Operation[Path]:
    """Write one instance, as stored, to a file."""
    path = f"/dicomweb/{space}/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"
    headers = {"Accept": "application/dicom; transfer-syntax=*"}
    yield Save(Call("GET", path, headers=headers), target, progress)
    return target


def stow(
    files: Sequence[Path | bytes],
    *,
    space: str = "default",
    study_uid: str | None = None,
    progress: Progress | None = None,
) -> Operation[StoreResult]:
    """Send DICOM files in one streamed request; files are read while they are sent."""
    stream, content_type = _related(files, progress)
    path = f"/dicomweb/{space}/studies" + (f"/{study_uid}" if study_uid else "")
    response: httpx.Response = yield Call(
        "POST",
        path,
        headers={"Content-Type": content_type, "Accept": DICOM_JSON},
        content=stream,
        expected=frozenset({409}),
        timeout_s=600.0,
    )
    return _store_result(response)


def _related(files: Sequence[Path | bytes], progress: Progress | None) -> tuple[Stream, str]:
    boundary = f"hv{uuid4().hex}"
    pieces: list[bytes | tuple[Path, int, int]] = []
    for number, file in enumerate(files):
        lead = "" if number == 0 else "\r\n"
        pieces.append(f"{lead}--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode())
        pieces.append(file if isinstance(file, bytes) else (file, 0, file.stat().st_size))
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    total = Stream(pieces).length
    on_sent = None if progress is None else (lambda sent: progress(sent, total))
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return Stream(pieces, on_sent), kind


def _store_result(response: httpx.Response) -> StoreResult:
    data = response.json()
    refused = [*_items(data, "00081198"), *_items(data, "0008119A")]
    return StoreResult(
        status=response.status_code,
        stored=[
            Stored(
                sop_class_uid=_first(item, "00081150"),
                sop_uid=_first(item, "00081155"),
                url=_first(item, "00081190"),
                warning=item.get("00081196", {}).get("Value", [None])[0],
            )
            for item in _items(data, "00081199")
        ],
        refused=[
            Refused(
                sop_class_uid=_first(item, "00081150"),
                sop_uid=_first(item, "00081155"),
                reason=int(item["00081197"]["Value"][0]),
                detail="; ".join(_first(i, "00000902") for i in _items(item, "00741048")),
            )
            for item in refused
        ],
    )


def _items(data: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data.get(tag, {}).get("Value", [])
    return found


def _first(item: dict[str, Any], tag: str) -> str:
    return str((item.get(tag, {}).get("Value") or [""])[0])
