# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS: a search by the archive, with the answer's headers and addresses."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import BadQuery
from healthvision.domains.archive.schemas import ArchiveQuery, Entries, Found, FoundItem
from healthvision.domains.archive.schemas import SearchLevel as Level
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.query import (
    BadParameter,
    QidoRequest,
    parse_query,
    shown_tags,
)
from healthvision.interfaces.dicomweb.retrieve import root_of
from healthvision.kernel.db import Database
from healthvision.kernel.hotread import reader_of
from healthvision.kernel.http import database_of
from healthvision.kernel.paging import BadCursor
from healthvision.kernel.security import Actor

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
_PLACES = ("studies", "series", "instances")
_ONLINE = archive.entry("00080056", {"vr": "CS", "Value": ["ONLINE"]})


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
    parameters = request.query_params.multi_items()
    asked = parse_query(parameters, lambda keyword: archive.searchable(level, keyword))
    within = zip(_PARENTS, (study, series), strict=True)
    filters = {**asked.query.filters, **{k: v for k, v in within if v is not None}}
    query = replace(asked.query, filters=filters)
    found = await _recorded(database_of(request), actor, level, space, query)
    root = root_of(request, space)
    body = _body(found, asked, level, root)
    headers = _headers(found, asked, query)
    if found.next is not None and found.items:
        path = request.url.path.split(f"/{space}/", 1)[-1]
        following = _following(parameters, found.next)
        headers["Link"] = f'<{root}/{path}?{following}>; rel="next"'
    return Response(body, headers=headers, media_type=media)


async def _recorded(
    db: Database, actor: Actor, level: Level, space: str, query: ArchiveQuery
) -> Found:
    """Search in a space the caller may read; the audit row is written when this returns."""
    asked: SpaceRead | None = None

    def work(connection: Connection) -> Found:
        nonlocal asked
        asked = spaces.get_on(connection, actor, space)
        return archive.find_on(connection, actor, asked, level, query)

    try:
        return await reader_of(db).run(work)
    except (BadQuery, BadCursor) as problem:
        named = problem.extra.get("keyword", "cursor")
        raise BadParameter(problem.detail, parameter=named) from None
    finally:
        if asked is not None:
            await audit.record_read(
                db,
                actor,
                "archive.searched",
                kind=level,
                space_id=asked.id,
                detail={"keys": ",".join(sorted(query.filters))},
            )


def _headers(found: Found, asked: QidoRequest, query: ArchiveQuery) -> dict[str, str]:
    headers, warnings = {}, []
    if found.total is not None:
        headers["X-Total-Count"] = str(found.total)
        headers["X-Total-Count-Relation"] = "eq" if found.exact else "gte"
    if found.next is not None:
        warnings.append(f"There are more than {query.limit} results; use offset or the Link")
    if asked.ignored:
        warnings.append(f"Not search keys here and ignored: {' '.join(asked.ignored)[:400]}")
    if warnings:
        headers["Warning"] = ", ".join(f'299 healthvision "{w}"' for w in warnings)
    return headers


def _following(parameters: Sequence[tuple[str, str]], cursor: str) -> str:
    kept = [(k, v) for k, v in parameters if k.lower() not in ("offset", "cursor")]
    return urlencode([*kept, ("cursor", cursor)])


def _body(found: Found, asked: QidoRequest, level: Level, root: str) -> bytes:
    shown = {tag: archive.entry(tag, empty) for tag, empty in shown_tags(asked, REQUIRED[level])}
    return f"[{','.join(_document(item, shown, root) for item in found.items)}]".encode()


def _document(item: FoundItem, shown: Entries, root: str) -> str:
    """Return one match as JSON text; entries begin with their tag, so they sort by it."""
    own = archive.entry("00081190", {"vr": "UR", "Value": [_url(item.uids, root)]})
    whole = {**shown, **item.entries, "00080056": _ONLINE, "00081190": own}
    return f"{{{','.join(sorted(whole.values()))}}}"


def _url(uids: Sequence[str], root: str) -> str:
    return root + "".join(f"/{place}/{uid}" for place, uid in zip(_PLACES, uids, strict=False))
