# SPDX-License-Identifier: Apache-2.0
"""The DICOMweb routes under ``/dicomweb/{space}``; ``router`` is mounted by ``app/``.

Statuses: a stranger to the organisation or space gets 404; every read is recorded before its
first byte; calls count against the budget 'dicomweb'.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import SearchLevel as Level
from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb import documents, picture_routes, retrieve, wado_uri
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.interfaces.dicomweb.paths import (
    INSTANCE,
    SERIES,
    STUDY,
    BulkPath,
    FrameList,
    Slug,
    Uid,
    caller_of,
    target_of,
)
from healthvision.interfaces.dicomweb.search import search
from healthvision.interfaces.dicomweb.store import Intake
from healthvision.interfaces.dicomweb.store_answer import status_of, store_answer
from healthvision.kernel.errors import Conflict
from healthvision.kernel.fastlane import lanes_of
from healthvision.kernel.hotread import reader_of
from healthvision.kernel.http import database_of

router = APIRouter(prefix="/dicomweb/{space}", tags=["image"], default_response_class=Response)


# Search (QIDO-RS)


async def _search(
    request: Request, level: Level, space: str, study: str | None = None, series: str | None = None
) -> Response:
    return await search(request, await caller_of(request), level, space, study, series)


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
    STUDY + "/series", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_series_of_study(request: Request, space: Slug, study: Uid) -> Response:
    """Search for series of one study."""
    return await _search(request, "series", space, study)


@router.get(
    STUDY + "/instances", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_instances_of_study(request: Request, space: Slug, study: Uid) -> Response:
    """Search for instances of one study."""
    return await _search(request, "instance", space, study)


@router.get(
    SERIES + "/instances", responses=documents.SEARCH, openapi_extra=documents.SEARCH_PARAMETERS
)
async def search_instances_of_series(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Search for instances of one series."""
    return await _search(request, "instance", space, study, series)


# Store (STOW-RS)


async def _store(request: Request, space: str, study: str | None) -> Response:
    actor, db = await caller_of(request), database_of(request)
    media = agree.json_kind(agree.accepted_by(request))
    await reader_of(db).run(lambda c: spaces.get_on(c, actor, space, "write"))
    results = await Intake(db, actor, space, study).run(request)
    answer = store_answer(results, retrieve.root_of(request, space))
    return Response(to_json(answer), status_of(results), media_type=media)


@router.post("/studies", responses=documents.STORE, openapi_extra=documents.STORE_BODY)
async def store_instances(request: Request, space: Slug) -> Response:
    """Store instances of any studies."""
    return await _store(request, space, None)


@router.post(STUDY, responses=documents.STORE, openapi_extra=documents.STORE_BODY)
async def store_study_instances(request: Request, space: Slug, study: Uid) -> Response:
    """Store instances of one study; others are refused."""
    return await _store(request, space, study)


# Delete


@router.delete(STUDY, status_code=204, responses=documents.DELETE)
async def delete_study_from_space(request: Request, space: Slug, study: Uid) -> Response:
    """Take a study out of the space; out of its last space, it is deleted."""
    actor = await caller_of(request)
    async with database_of(request).transaction() as session:
        found = await archive.get_study_by_uid(session, actor, space, study)
        actor.require("studies:delete")
        try:
            await archive.remove_from_space(session, actor, found.id, space)
        except Conflict:
            await archive.delete_study(session, actor, found.id)
    return Response(status_code=204)


@router.delete(SERIES, status_code=204, responses=documents.DELETE)
async def delete_series(request: Request, space: Slug, study: Uid, series: Uid) -> Response:
    """Take a series out of sight; its bytes stay until the purge."""
    return await _delete_part(request, space, study, series)


@router.delete(INSTANCE, status_code=204, responses=documents.DELETE)
async def delete_instance(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Take an instance out of sight; its bytes stay until the purge."""
    return await _delete_part(request, space, study, series, instance)


async def _delete_part(
    request: Request, space: str, study: str, series: str, instance: str | None = None
) -> Response:
    actor = await caller_of(request)
    async with database_of(request).transaction() as session:
        found = await archive.get_study_by_uid(session, actor, space, study)
        actor.require("studies:delete")
        await archive.delete_instances(session, actor, found.id, series, instance)
    return Response(status_code=204)


# Retrieve (WADO-RS)


@router.get(STUDY, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCES)
async def retrieve_study(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve all instances of a study."""
    return await retrieve.instances(request, await target_of(request, space, study))


@router.get(SERIES, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCES)
async def retrieve_series(request: Request, space: Slug, study: Uid, series: Uid) -> Response:
    """Retrieve all instances of a series."""
    return await retrieve.instances(request, await target_of(request, space, study, series))


@router.get(INSTANCE, responses=documents.INSTANCES, openapi_extra=documents.ACCEPT_INSTANCE)
async def retrieve_instance(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve one instance; single-part answers know Range."""
    target = await target_of(request, space, study, series, instance)
    return await retrieve.instances(request, target)


@router.get(STUDY + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON)
async def retrieve_study_metadata(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve the metadata of a study's instances."""
    return await retrieve.metadata(request, await target_of(request, space, study))


@router.get(SERIES + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON)
async def retrieve_series_metadata(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Retrieve the metadata of a series' instances."""
    return await retrieve.metadata(request, await target_of(request, space, study, series))


@router.get(
    INSTANCE + "/metadata", responses=documents.METADATA, openapi_extra=documents.ACCEPT_JSON
)
async def retrieve_instance_metadata(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve the metadata of one instance."""
    target = await target_of(request, space, study, series, instance)
    return await retrieve.metadata(request, target)


@router.get(
    INSTANCE + "/frames/{frames}",
    responses=documents.FRAMES,
    openapi_extra=documents.ACCEPT_OCTETS,
)
async def retrieve_frames(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, frames: FrameList
) -> Response:
    """Retrieve frames as they are stored or as native pixels."""
    target = await target_of(request, space, study, series, instance)
    return await retrieve.frames(request, target, frames)


@router.get(
    INSTANCE + "/bulkdata/{path:path}",
    responses=documents.BULK,
    openapi_extra=documents.ACCEPT_OCTETS,
)
async def retrieve_bulk_data(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, path: BulkPath
) -> Response:
    """Retrieve a value that the metadata refers to."""
    target = await target_of(request, space, study, series, instance)
    return await retrieve.bulk_data(request, target, path)


router.include_router(picture_routes.router)
router.include_router(wado_uri.router)

LANES = (*lanes_of(router), *lanes_of(picture_routes.router, router.prefix))
