# SPDX-License-Identifier: Apache-2.0
"""Builds the HTTP application out of the rooms."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from healthvision import __version__
from healthvision.app.docs import add_docs
from healthvision.app.examples import add_examples
from healthvision.interfaces.dicomweb import routes as dicomweb
from healthvision.kernel.db import Database
from healthvision.kernel.fastlane import FastLane
from healthvision.kernel.http import install_edge
from healthvision.kernel.module import Module

DESCRIPTION = """
Images in, explained results out. Decision support, not a medical device: every result starts as
"AI, unverified".

Groups: **user**, **image**, **analysis**, **result**, **model**, **system**, **webhook**; images
also under DICOMweb (`/dicomweb/{space}`). Errors are RFC 9457 problem documents. A POST
that lists the header `Idempotency-Key` may be repeated safely with it. Lists page with `cursor`.
"""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_PROBLEM = "application/problem+json"
_DOCUMENT = "#/components/schemas/ProblemDocument"


class Api(FastAPI):
    """FastAPI whose document tells errors under the media type that they are sent with."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            whole = super().openapi()
            _tell_problems(whole)
            add_examples(whole)
        document: dict[str, Any] = self.openapi_schema or {}
        return document


def _tell_problems(document: dict[str, Any]) -> None:
    """Move the schema of problems from JSON, where FastAPI puts it, to problem+json."""
    operations = (o for methods in document["paths"].values() for o in methods.values())
    for response in (r for o in operations for r in o["responses"].values()):
        content = response.get("content", {})
        if _PROBLEM in content:
            given = [m for m, told in content.items() if _is_problem(told)]
            for media in given:
                del content[media]
            content[_PROBLEM] = {"schema": {"$ref": _DOCUMENT}}


def _is_problem(told: dict[str, Any]) -> bool:
    return bool(told.get("schema", {}).get("$ref") == _DOCUMENT)


def create_app(
    db: Database, modules: Sequence[Module], routers: Sequence[Any], lifespan: Lifespan | None
) -> FastAPI:
    """Return the application that serves the rooms' routers and the doors' routers."""
    app = Api(
        title="HealthVision",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan or _no_lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    if dicomweb.router in routers:
        app.add_middleware(FastLane, lanes=dicomweb.LANES)  # inside the edge: added before it
    install_edge(app, db)
    add_docs(app)
    for module in modules:
        for router in module.routers:
            app.include_router(router)
    for router in routers:
        app.include_router(router)
    return app


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
