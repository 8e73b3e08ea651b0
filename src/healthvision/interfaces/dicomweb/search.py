# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS: a search by the archive, with the answer's headers and addresses."""

from dataclasses import replace
from typing import Literal
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import BadQuery
from healthvision.domains.archive.schemas import ArchiveQuery, Found, FoundItem, Json
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.interfaces.dicomweb.query import (
    BadParameter,
    QidoRequest,
    parse_query,
    with_requested,
)
from healthvision.interfaces.dicomweb.retrieve import root_of
from healthvision.kernel.db import Session
from healthvision.kernel.http import database_of
from healthvision.kernel.security import Actor

Level = Literal["study", "series", "instance"]
# Attributes every answer has, with or without a value (PS3.18 tables 10.6.3-3 to -5).
_OF_STUDY = [
    "00080020",
    "00080030",
    "00080050",
    "00080061",
    "00080090",
    "00100010",
    "00100020",
    "00100030",
    "00100040",
    "0020000D",
    "00200010",
    "00201206",
    "00201208",
]
REQUIRED: dict[Level, list[str]] = {
    "study": _OF_STUDY,
    "series": ["00080060", "0008103E", "0020000E", "00200011", "00201209"],
    "instance": ["00080016", "00080018", "00200013"],
}
_PARENTS = ("StudyInstanceUID", "SeriesInstanceUID")


async def search(
    request: Request,
    actor: Actor,
    level: Level,
    space: str,
    study: str | None = None,
    series: str | None = None,
) -> Response:
    """Answer a search at one level, within a study or series when they are named.

    The search is recorded (its keys, not their values) before the answer leaves. Raises
    UnknownAttribute and BadParameter (400), NotAcceptable and SpaceNotFound.
    """
    media = agree.json_kind(agree.accepted_by(request))
    asked = parse_query(request.query_params.multi_items())
    within = zip(_PARENTS, (study, series), strict=True)
    filters = {**asked.query.filters, **{k: v for k, v in within if v is not None}}
    query = replace(asked.query, filters=filters)
    db = database_of(request)
    try:
        async with db.reading() as session:
            place = await spaces.get(session, actor, space)
            found = await _find(session, actor, level, place.id, query)
    except BadQuery as problem:
        raise BadParameter(problem.detail, parameter=problem.extra.get("keyword")) from None
    await audit.record_read(
        db,
        actor,
        "archive.searched",
        kind=level,
        space_id=place.id,
        detail={"keys": ",".join(sorted(filters)), "found": len(found.items)},
    )
    root = root_of(request, space)
    documents = [_document(item, asked, level, root) for item in found.items]
    return Response(to_json(documents), headers=_headers(found, query), media_type=media)


async def _find(
    session: Session, actor: Actor, level: Level, space: UUID, query: ArchiveQuery
) -> Found:
    if level == "study":
        return await archive.find_studies(session, actor, space, query)
    if level == "series":
        return await archive.find_series(session, actor, space, query)
    return await archive.find_instances(session, actor, space, query)


def _headers(found: Found, query: ArchiveQuery) -> dict[str, str]:
    headers = {} if found.total is None else {"X-Total-Count": str(found.total)}
    if found.next is not None:
        headers["Warning"] = (
            f'299 healthvision "There are more than {query.limit} results; use offset"'
        )
    return headers


def _document(item: FoundItem, asked: QidoRequest, level: Level, root: str) -> Json:
    document = {
        **with_requested(item.json, asked, REQUIRED[level]),
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00081190": {"vr": "UR", "Value": [_url(item.json, level, root)]},
    }
    return dict(sorted(document.items()))


def _url(document: Json, level: Level, root: str) -> str:
    url = f"{root}/studies/{_uid(document, '0020000D')}"
    if level != "study":
        url += f"/series/{_uid(document, '0020000E')}"
    return url + (f"/instances/{_uid(document, '00080018')}" if level == "instance" else "")


def _uid(document: Json, tag: str) -> str:
    return str(document.get(tag, {}).get("Value", [""])[0])
