# SPDX-License-Identifier: Apache-2.0
"""The system group: health, readiness, version, limits, metrics."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from healthvision import __version__
from healthvision.app.limits import LimitRead, published_limits
from healthvision.kernel.errors import Busy
from healthvision.kernel.http import SessionDep, database_of, requires
from healthvision.kernel.http import router as edge_router
from healthvision.kernel.leases import living_workers
from healthvision.kernel.schemas import Read
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.telemetry import REGISTRY

router = edge_router("", "system")


class HealthRead(Read):
    """Whether the process answers."""

    status: str


class ReadyRead(Read):
    """Whether the process can do its work, part by part."""

    status: str
    database: str
    workers: int


class VersionRead(Read):
    """Which software answers."""

    name: str
    version: str
    api_version: str
    intended_use: str


@router.get("/healthz")
async def health() -> HealthRead:
    """Tell that the process answers (no sign-in)."""
    return HealthRead(status="ok")


@router.get("/readyz")
async def ready(session: SessionDep) -> ReadyRead:
    """Tell whether database and workers are there (no sign-in); 503 when not."""
    try:
        await session.execute(text("select 1"))
        alive = len(await living_workers(session))
    except (SQLAlchemyError, OSError):
        raise Busy("the database does not answer", retry_after=5) from None
    if not alive:
        raise Busy("no worker is alive", retry_after=5, database="ok", workers=0)
    return ReadyRead(status="ok", database="ok", workers=alive)


@router.get("/v1/version")
async def version() -> VersionRead:
    """Tell name and version (no sign-in)."""
    return VersionRead(
        name="HealthVision",
        version=__version__,
        api_version="v1",
        intended_use="Decision support for trained people; not a medical device.",
    )


@router.get("/v1/limits")
async def limits(request: Request, _actor: Annotated[Actor, requires(None)]) -> list[LimitRead]:
    """List every published limit with its value and unit."""
    core = database_of(request).resources.get(CoreSettings)
    return published_limits(redis=core.redis_url is not None)


@router.get("/metrics", response_class=Response, include_in_schema=False)
async def metrics() -> Any:
    """Metrics for Prometheus; the gateway keeps outsiders away."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
