# SPDX-License-Identifier: Apache-2.0
"""The routes of rendered resources and thumbnails, below ``/dicomweb/{space}``."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from healthvision.interfaces.dicomweb import documents, pictures
from healthvision.interfaces.dicomweb.paths import (
    INSTANCE,
    SERIES,
    STUDY,
    FrameList,
    Slug,
    Uid,
    target_of,
)

router = APIRouter(default_response_class=Response)
_PICTURE: documents.Described = {
    "responses": documents.PICTURE,
    "openapi_extra": documents.PICTURE_PARAMETERS,
}


@router.get(STUDY + "/rendered", **_PICTURE)
async def retrieve_rendered_study(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve the middle picture of a study, or all as multipart/related."""
    return await pictures.rendered(request, await target_of(request, space, study))


@router.get(SERIES + "/rendered", **_PICTURE)
async def retrieve_rendered_series(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Retrieve the middle picture of a series, or all as multipart/related."""
    return await pictures.rendered(request, await target_of(request, space, study, series))


@router.get(INSTANCE + "/rendered", **_PICTURE)
async def retrieve_rendered_instance(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve a picture of the first frame, all frames as GIF or MP4, or a document."""
    target = await target_of(request, space, study, series, instance)
    return await pictures.rendered(request, target)


@router.get(INSTANCE + "/frames/{frames}/rendered", **_PICTURE)
async def retrieve_rendered_frame(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid, frames: FrameList
) -> Response:
    """Retrieve a picture of one frame (the first of a list)."""
    target = await target_of(request, space, study, series, instance)
    return await pictures.rendered(request, target, frames)


@router.get(STUDY + "/thumbnail", **_PICTURE)
async def retrieve_study_thumbnail(request: Request, space: Slug, study: Uid) -> Response:
    """Retrieve a small picture of a study."""
    return await pictures.thumbnail(request, await target_of(request, space, study))


@router.get(SERIES + "/thumbnail", **_PICTURE)
async def retrieve_series_thumbnail(
    request: Request, space: Slug, study: Uid, series: Uid
) -> Response:
    """Retrieve a small picture of a series."""
    return await pictures.thumbnail(request, await target_of(request, space, study, series))


@router.get(INSTANCE + "/thumbnail", **_PICTURE)
async def retrieve_instance_thumbnail(
    request: Request, space: Slug, study: Uid, series: Uid, instance: Uid
) -> Response:
    """Retrieve a small picture of an instance."""
    target = await target_of(request, space, study, series, instance)
    return await pictures.thumbnail(request, target)
