# SPDX-License-Identifier: Apache-2.0
"""Doors of the model hub."""

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import Response

from healthvision.domains.modelhub import service
from healthvision.domains.modelhub.schemas import (
    AdditionCreate,
    AdditionRead,
    ModelChange,
    ModelList,
    ModelRead,
    RetiredModel,
)
from healthvision.kernel.errors import UnsupportedMedia
from healthvision.kernel.http import (
    OwnRoute,
    SessionDep,
    check_if_match,
    database_of,
    error_responses,
    negotiated,
    path_uuid,
    requires,
    router,
)
from healthvision.kernel.security import Actor

models = router("/v1/models", "model")
retirements = router("/v1/models", "model", OwnRoute)
additions = router("/v1/model-additions", "model")
packages = router("/v1/model-additions", "model", OwnRoute)
ZIP = "application/zip"
Reader = Annotated[Actor, requires("models:read")]
Manager = Annotated[Actor, requires("models:manage")]
CardFormat = Annotated[Literal["html", "md"], Query(description="HTML page or Markdown.")]
_CARD: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}, "text/markdown": {}}, "description": "The card"}
}
_PACKAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@models.get("", summary="Installed AI models")
async def list_models(actor: Reader, session: SessionDep) -> ModelList:
    """Return all installed applications with evidence, licences and what they accept."""
    return await service.list_models(session, actor)


@models.get("/{model_id}", summary="One AI model")
async def get_model(model_id: str, actor: Reader, session: SessionDep) -> ModelRead:
    """Return one application."""
    return await service.get_model(session, actor, model_id)


@models.get("/{model_id}/card", response_class=Response, responses=_CARD)
async def get_model_card(
    model_id: str,
    request: Request,
    actor: Reader,
    session: SessionDep,
    format: CardFormat = "html",
    language: Annotated[Literal["zh", "en"] | None, Query()] = None,
) -> Response:
    """Return the model card, made from manifest and evidence, in Chinese or English."""
    manifest = (await service.installed(session, actor, model_id)).manifest
    spoken = language or negotiated(request.headers, "zh")
    if format == "md":
        return Response(service.card_markdown(manifest, spoken), media_type="text/markdown")
    return Response(service.card_html(manifest, spoken), media_type="text/html")


@models.patch("/{model_id}", summary="Switch a model on or off, or hold a version")
async def change_model(
    model_id: str, change: ModelChange, request: Request, actor: Manager, session: SessionDep
) -> ModelRead:
    """Change what the organisation runs; send If-Match to be safe against other changes."""
    check_if_match(request, await service.get_model(session, actor, model_id))
    return await service.change_model(session, actor, model_id, change)


@models.post("", status_code=201, summary="Announce an own model")
async def announce_model(new: AdditionCreate, actor: Manager, session: SessionDep) -> AdditionRead:
    """Announce a model as a zip of its folder; then PUT the zip to ``package_path``.

    Models are for the whole installation: this needs its administrator.
    """
    return await service.additions.announce(session, actor, new)


@retirements.delete("/{model_id}", summary="Take an own model out of use")
async def remove_model(
    model_id: str,
    request: Request,
    actor: Manager,
    version: Annotated[str | None, Query(max_length=64, description="Default: all.")] = None,
) -> RetiredModel:
    """Take an added model out of use in the whole installation; its results and files stay.

    Needs the administrator of the installation. To switch it off for the own organisation only,
    PATCH ``enabled``.
    """
    return await service.additions.remove(database_of(request), actor, model_id, version)


@additions.get("/{addition_id}", summary="An own model on its way in")
async def get_model_addition(addition_id: str, actor: Manager, session: SessionDep) -> AdditionRead:
    """Return how far an addition is: received, being checked, added, or refused and why."""
    return await service.additions.get(session, actor, path_uuid(addition_id))


@packages.put(
    "/{addition_id}/package",
    status_code=202,
    summary="Send an own model",
    openapi_extra=_PACKAGE,
    responses=error_responses(415),
)
async def put_model_package(addition_id: str, request: Request, actor: Manager) -> AdditionRead:
    """Send the zip: model.yaml or model.json with its weights, or a MONAI bundle.

    It is tried in the sandbox before it is served; ask for the addition to see what came of it.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != ZIP:
        raise UnsupportedMedia(f"Content-Type must be {ZIP}")
    db = database_of(request)
    return await service.additions.take(db, actor, path_uuid(addition_id), request.stream())
