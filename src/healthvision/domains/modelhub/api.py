# SPDX-License-Identifier: Apache-2.0
"""Doors of the model hub."""

from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import Response

from healthvision.domains.modelhub import service
from healthvision.domains.modelhub.schemas import ModelChange, ModelList, ModelRead
from healthvision.kernel.http import SessionDep, check_if_match, negotiated, requires, router
from healthvision.kernel.security import Actor

models = router("/v1/models", "model")
Reader = Annotated[Actor, requires("models:read")]
Manager = Annotated[Actor, requires("models:manage")]
CardFormat = Annotated[Literal["html", "md"], Query(description="HTML page or Markdown.")]
_CARD: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}, "text/markdown": {}}, "description": "The card"}
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
