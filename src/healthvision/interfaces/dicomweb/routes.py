# SPDX-License-Identifier: Apache-2.0
"""The DICOMweb routes under ``/dicomweb/{space}``; ``router`` is mounted by ``app/``.

Statuses: a stranger to the organisation or space gets 404; every read is recorded before its
first byte; calls count against the budget 'dicomweb'.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb import documents, retrieve
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.interfaces.dicomweb.rendering import rendering_of, thumbnail_of
from healthvision.interfaces.dicomweb.search import Level, search
from healthvision.interfaces.dicomweb.store import Intake
from healthvision.interfaces.dicomweb.store_answer import status_of, store_answer
from healthvision.kernel.errors import Conflict
from healthvision.kernel.http import authenticate, database_of
from healthvision.kernel.security import Actor

BUDGET = "dicomweb"
router = APIRouter(prefix="/dicomweb/{space}", tags=["image"])

Slug = Annotated[
    str, Path(max_length=100, description="Slug or id of the space.", examples=["default"])
]
Uid = Annotated[str, Path(max_length=64, description="A DICOM UID.")]
FrameList = Annotated[
    str,
    Path(
        max_length=80_000,
        description="Numbers from 1, e.g. 1,2,5",
        json_schema_extra={"pattern": r"^[1-9]\d{0,5}(,[1-9]\d{0,5})*$"},
    ),
]
BulkPath = Annotated[str, Path(max_length=1000, description="As in the metadata's BulkDataURI.")]

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


async def _caller(request: Request) -> Actor:
    return await authenticate(request, BUDGET)


async def _target(
    request: Request,
    space: str,
    study: str,
    series: str | None = None,
    instance: str | None = None,
) -> retrieve.Target:
    actor = await _caller(request)
    return retrieve.Target(database_of(request), actor, space, study, series, instance)


# Search (QIDO-RS)


async def _search(
    request: Request, level: Level, space: str, study: str | None = None, series: str | None = None
) -> Response:
    return await search(request, await _caller(request), level, space, study, series)


@router.get("/studies", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS)
async def search_studies(request: Request, space: Slug) -> Response:
    """Search for studies."""
    return await _search(request, "study", space)


@router.get("/series", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS)
async def search_series(request: Request, space: Slug) -> Response:
    """Search for series of all studies."""
    return await _search(request, "series", space)


@router.get("/instances", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS)
async def search_instances(request: Request, space: Slug) -> Response:
    """Search for instances of all studies."""
    return await _search(request, "instance", space)


@router.get(
    _STUDY + "/series", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_series_of_study(request: Request, space: Slug, study: Uid) -> Response:
    """Search for series of one study."""
    return await _search(request, "series", space, study)


@router.get(
    _STUDY + "/instances", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_instances_of_study(request: Request, space: Slug, study: Uid) -> Response:
    """Search for instances of one study."""
    return await _search(request, "instance", space, study)


@router.get(
    _SERIES + "/instances", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_instances_of_series(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Search for instances of one series."""
    return await _search(request, "instance", space, study, series)


# Store (STOW-RS)


async def _store(request: Request, space: str, study: str | None) -> Response:
    actor, db = await _caller(request), database_of(request)
    media = agree.json_kind(agree.accepted_by(request))
    async with db.reading() as session:
        await spaces.get(session, actor, space, "write")
    results = await Intake(db, actor, space, study).run(request)
    answer = store_answer(results, retrieve.root_of(request, space))
    return Response(to_json(answer), status_of(results), media_type=media)


@router.post("/studies", responses=documents.STORE, openapi_extra=documents.STORE_BODY)
async def store_instances(request: Request, space: Slug) -> Response:
    """Store instances of any studies."""
    return await _store(request, space, None)


@router.post(_STUDY, responses=documents.STORE, openapi_extra=documents.STORE_BODY)
async def store_study_instances(request: Request, space: Slug, study: Uid) -> Response:
    """Store instances of one study; others are refused."""
    return await _store(request, space, study)


# Delete


@router.delete(_STUDY, status_code=204, responses=documents.DELETE)
async def delete_study_from_space(request: Request, space: Slug, study: Uid) -> Response:
    """Take a study out of the space; out of its last space, it is deleted."""
    actor = await _caller(request)
    async with database_of(request).transaction() as session:
        found = await archive.get_study_by_uid(session, actor, space, study)
        actor.require("studies:delete")
        try:
            await archive.remove_from_space(session, actor, found.id, space)
        except Conflict:
            await archive.delete_study(session, actor, found.id)
    return Response(status_code=204)


# Retrieve (WADO-RS)


@router.get(_STUDY, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCES)
async def retrieve_study(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve all instances of a study."""
    return await retrieve.instances(request, await _target(request, space, study))


@router.get(_SERIES, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCES)
async def retrieve_series(request: Request, space: Slug, study: Uid, series: Uid) -> Response:
    """Retrieve all instances of a series."""
    return await retrieve.instances(request, await _target(request, space, study, series))


@router.get(_INSTANCE, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCE)
async def retrieve_instance(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve one instance; single-part answers know Range."""
    target = await _target(request, space, study, series, instance)
    return await retrieve.instances(request, target)


@router.get(_STUDY + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON)
async def retrieve_study_metadata(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve the metadata of a study's instances."""
    return await retrieve.metadata(request, await _target(request, space, study))


@router.get(
    _SERIES + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON
)
async def retrieve_series_metadata(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Retrieve the metadata of a series' instances."""
    return await retrieve.metadata(request, await _target(request, space, study, series))


@router.get(
    _INSTANCE + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON
)
async def retrieve_instance_metadata(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve the metadata of one instance."""
    target = await _target(request, space, study, series, instance)
    return await retrieve.metadata(request, target)


@router.get(
    _INSTANCE + "/frames/{frames}",
    responses=documents.FRAMES,
    openapi_extra=documents.ACCEPT_OCTETS,
)
async def retrieve_frames(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, frames: FrameList
) -> Response:
    """Retrieve frames as they are stored or as native pixels."""
    target = await _target(request, space, study, series, instance)
    return await retrieve.frames(request, target, frames)


@router.get(
    _INSTANCE + "/bulkdata/{path:path}",
    responses=documents.BULK,
    openapi_extra=documents.ACCEPT_OCTETS,
)
async def retrieve_bulk_data(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, path: BulkPath
) -> Response:
    """Retrieve a value that the metadata refers to."""
    target = await _target(request, space, study, series, instance)
    return await retrieve.bulk_data(request, target, path)


# Pictures


async def _rendered(request: Request, target: retrieve.Target, frames: str) -> Response:
    media = agree.rendered_kind(agree.accepted_by(request))
    how = rendering_of(request.query_params, media)
    return await retrieve.rendered(target, how, frame=retrieve.frame_numbers(frames)[0])


async def _thumbnail(request: Request, target: retrieve.Target) -> Response:
    media = agree.rendered_kind(agree.accepted_by(request))
    how = thumbnail_of(request.query_params, media)
    return await retrieve.rendered(target, how, frame=None)


@router.get(
    _INSTANCE + "/rendered",
    responses=documents.PICTURE,
    openapi_extra=documents.PICTURE_PARAMETERS,
)
async def retrieve_rendered_instance(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve a picture of the first frame."""
    return await _rendered(request, await _target(request, space, study, series, instance), "1")


@router.get(
    _INSTANCE + "/frames/{frames}/rendered",
    responses=documents.PICTURE,
    openapi_extra=documents.PICTURE_PARAMETERS,
)
async def retrieve_rendered_frame(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, frames: FrameList
) -> Response:
    """Retrieve a picture of one frame (the first of a list)."""
    target = await _target(request, space, study, series, instance)
    return await _rendered(request, target, frames)


@router.get(
    _STUDY + "/thumbnail",
    responses=documents.PICTURE,
    openapi_extra=documents.PICTURE_PARAMETERS,
)
async def retrieve_study_thumbnail(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve a small picture of a study."""
    return await _thumbnail(request, await _target(request, space, study))


@router.get(
    _SERIES + "/thumbnail",
    responses=documents.PICTURE,
    openapi_extra=documents.PICTURE_PARAMETERS,
)
async def retrieve_series_thumbnail(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Retrieve a small picture of a series."""
    return await _thumbnail(request, await _target(request, space, study, series))


@router.get(
    _INSTANCE + "/thumbnail",
    responses=documents.PICTURE,
    openapi_extra=documents.PICTURE_PARAMETERS,
)
async def retrieve_instance_thumbnail(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve a small picture of an instance."""
    return await _thumbnail(request, await _target(request, space, study, series, instance))
