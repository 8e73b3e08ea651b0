# SPDX-License-Identifier: Apache-2.0
"""Builds the HTTP application out of the rooms."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from healthvision import __version__
from healthvision.kernel.db import Database
from healthvision.kernel.http import install_edge
from healthvision.kernel.module import Module

DESCRIPTION = """
Images in, explained results out. Decision support, not a medical device: every result starts as
"AI, unverified".

Groups: **user**, **image**, **analysis**, **result**, **model**, **system**, **webhook**; images
also under DICOMweb (`/dicomweb/{space}`). Errors are RFC 9457 problem documents. Send
`Idempotency-Key` with a POST to make a repeat safe. Lists page with `cursor`.
"""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    db: Database, modules: Sequence[Module], routers: Sequence[Any], lifespan: Lifespan | None
) -> FastAPI:
    """Return the application that serves the rooms' routers and the doors' routers."""
    app = FastAPI(
        title="HealthVision",
        version=__version__,
        description=DESCRIPTION,
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan or _no_lifespan,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    install_edge(app, db)
    for module in modules:
        for router in module.routers:
            app.include_router(router)
    for router in routers:
        app.include_router(router)
    return app


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
