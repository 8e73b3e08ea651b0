# SPDX-License-Identifier: Apache-2.0
"""UPS-RS (PS3.18 chapter 11): work items of a space and subscriptions to them.

Each request is one transaction. The event channel is a WebSocket in ``upsrs_channel``.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import service as integration
from healthvision.domains.integration.schemas import Done, Json, Wish, WorkitemQuery
from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb import upsrs_documents as told
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.interfaces.dicomweb.query import BadParameter, attribute, parse_query
from healthvision.interfaces.dicomweb.retrieve import root_of
from healthvision.interfaces.dicomweb.upsrs_channel import router as channel
from healthvision.kernel.errors import UnsupportedMedia
from healthvision.kernel.http import EdgeRequest, authenticate, database_of
from healthvision.kernel.security import Actor

BUDGET = "dicomweb"
router = APIRouter(prefix="/dicomweb/{space}", tags=["image"])
Slug = Annotated[
    str, Path(max_length=100, description="Slug or id of the space.", examples=["default"])
]
Uid = Annotated[str, Path(max_length=64, description="UID of the work item.")]
Title = Annotated[
    str,
    Path(max_length=16, description="AE title of the subscriber.", examples=["VIEWER1"]),
]
_JSON = ("application/dicom+json", "application/json")
_ITEM = "/workitems/{workitem}"
_SUBSCRIBER = _ITEM + "/subscribers/{aetitle}"


async def _caller(request: Request) -> Actor:
    return await authenticate(request, BUDGET)


async def _body(request: Request, *, required: bool = True) -> Json:
    plain = EdgeRequest(request.scope, request.receive)
    if not required and not await plain.body():
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _JSON:
        raise UnsupportedMedia("send the data set as application/dicom+json")
    return integration.checked(await plain.json())


def _warning(texts: tuple[str, ...]) -> dict[str, str]:
    return {"Warning": ", ".join(f'299 healthvision "{t}"' for t in texts)} if texts else {}


def _url(request: Request, space: str, uid: str) -> str:
    return f"{root_of(request, space)}/workitems/{uid}"


def _answer(request: Request, space: str, done: Done, status: int = 200) -> Response:
    headers = {"Content-Location": _url(request, space, done.item.uid), **_warning(done.warnings)}
    return Response(status_code=status, headers=headers)


@router.post(
    "/workitems",
    status_code=201,
    response_class=Response,
    responses=told.CREATED,
    openapi_extra=told.NEW_BODY,
)
async def create_workitem(request: Request, space: Slug) -> Response:
    """Create a work item; its UID may follow as '?{uid}' or '?workitem={uid}'."""
    actor, document = await _caller(request), await _body(request)
    uid = request.query_params.get("workitem") or _bare(request)
    async with database_of(request).transaction() as session:
        made = await integration.create(session, actor, space, document, uid)
    url = _url(request, space, made.uid)
    return Response(status_code=201, headers={"Location": url, "Content-Location": url})


def _bare(request: Request) -> str:
    """Return a query of one UID without a name, as PS3.18 writes it: '/workitems?1.2.3'."""
    pairs = request.query_params.multi_items()
    names = [name for name, value in pairs if not value]
    return names[0] if len(pairs) == 1 and names else ""


@router.get("/workitems", responses=told.FOUND, openapi_extra=told.SEARCH_PARAMETERS)
async def search_workitems(request: Request, space: Slug) -> Response:
    """Search for work items by any of their attributes."""
    actor, db = await _caller(request), database_of(request)
    media = agree.json_kind(agree.accepted_by(request))
    asked = parse_query(request.query_params.multi_items()).query
    query = WorkitemQuery(asked.filters, min(asked.limit, 1000), asked.offset)
    async with db.reading() as session:
        place = await spaces.get(session, actor, space)
        page = await integration.find(session, actor, place.id, query)
    keys = ",".join(sorted(query.filters))
    await audit.record_read(
        db,
        actor,
        "integration.workitems_searched",
        kind="workitem",
        space_id=place.id,
        detail={"keys": keys, "found": len(page.items)},
    )
    more = f"There are more than {query.limit} results; use offset"
    headers = _warning((more,) if page.more else ())
    body = to_json([item.document for item in page.items])
    return Response(body, headers=headers, media_type=media)


@router.get(_ITEM, responses=told.FOUND)
async def retrieve_workitem(request: Request, space: Slug, workitem: Uid) -> Response:
    """Retrieve a work item; its Transaction UID is never shown."""
    actor, db = await _caller(request), database_of(request)
    media = agree.json_kind(agree.accepted_by(request))
    async with db.reading() as session:
        place = await spaces.get(session, actor, space)
        item = await integration.get(session, actor, place.id, workitem)
    await audit.record_read(
        db, actor, "integration.workitem_read", item.id, kind="workitem", space_id=place.id
    )
    return Response(to_json([item.document]), media_type=media)


@router.post(_ITEM, response_class=Response, responses=told.DONE, openapi_extra=told.UPDATE_BODY)
async def update_workitem(request: Request, space: Slug, workitem: Uid) -> Response:
    """Change attributes; of a claimed item with '?{transaction-uid}' or in the data set."""
    actor, document = await _caller(request), await _body(request)
    transaction = request.query_params.get("transaction-uid") or _bare(request)
    async with database_of(request).transaction() as session:
        done = await integration.update(session, actor, space, workitem, document, transaction)
    return _answer(request, space, done)


@router.put(
    _ITEM + "/state", response_class=Response, responses=told.DONE, openapi_extra=told.STATE_BODY
)
async def change_workitem_state(request: Request, space: Slug, workitem: Uid) -> Response:
    """Claim a work item (IN PROGRESS), or end it (COMPLETED, CANCELED)."""
    actor, document = await _caller(request), await _body(request)
    async with database_of(request).transaction() as session:
        done = await integration.change_state(session, actor, space, workitem, document)
    return _answer(request, space, done)


@router.post(
    _ITEM + "/cancelrequest",
    status_code=202,
    response_class=Response,
    responses=told.ACCEPTED,
    openapi_extra=told.CANCEL_BODY,
)
async def request_workitem_cancellation(request: Request, space: Slug, workitem: Uid) -> Response:
    """Ask that a work item be cancelled."""
    actor, document = await _caller(request), await _body(request, required=False)
    async with database_of(request).transaction() as session:
        done = await integration.cancel(session, actor, space, workitem, document)
    return _answer(request, space, done, 202)


def _wish(request: Request, workitem: str, aetitle: str) -> Wish:
    lock = request.query_params.get("deletionlock", "false").lower()
    if lock not in ("true", "false"):
        raise BadParameter("deletionlock must be true or false", parameter="deletionlock")
    filters: dict[str, str] = {}
    for part in (p for p in request.query_params.get("filter", "").split(",") if p):
        name, _, value = part.partition("=")
        filters[attribute(name)] = value
    return Wish(aetitle, workitem, lock == "true", filters)


@router.post(
    _SUBSCRIBER,
    status_code=201,
    response_class=Response,
    responses=told.SUBSCRIBED,
    openapi_extra=told.SUBSCRIBE_PARAMETERS,
)
async def subscribe_to_workitem(
    request: Request, space: Slug, workitem: Uid, aetitle: Title
) -> Response:
    """Subscribe to a work item, or by its well-known UID to the (filtered) worklist."""
    actor, wish = await _caller(request), _wish(request, workitem, aetitle)
    async with database_of(request).transaction() as session:
        await integration.subscribe(session, actor, space, wish)
    root: Any = root_of(request, space).replace("http", "ws", 1)
    return Response(status_code=201, headers={"Content-Location": f"{root}/subscribers/{aetitle}"})


@router.delete(_SUBSCRIBER, response_class=Response, responses=told.DONE)
async def unsubscribe_from_workitem(
    request: Request, space: Slug, workitem: Uid, aetitle: Title
) -> Response:
    """End a subscription."""
    actor, wish = await _caller(request), _wish(request, workitem, aetitle)
    async with database_of(request).transaction() as session:
        await integration.unsubscribe(session, actor, space, wish)
    return Response(status_code=200)


@router.post(_SUBSCRIBER + "/suspend", response_class=Response, responses=told.DONE)
async def suspend_worklist_subscription(
    request: Request, space: Slug, workitem: Uid, aetitle: Title
) -> Response:
    """Keep hearing of the worklist's present items and of no new ones."""
    actor, wish = await _caller(request), _wish(request, workitem, aetitle)
    if wish.uid:
        raise BadParameter("only the worklist can be suspended", parameter="workitem")
    async with database_of(request).transaction() as session:
        await integration.suspend(session, actor, space, aetitle)
    return Response(status_code=200)


router.include_router(channel)
