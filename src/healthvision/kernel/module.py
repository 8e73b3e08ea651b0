# SPDX-License-Identifier: Apache-2.0
"""The plug of a room: what ``app/`` needs to know to switch it on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from healthvision.kernel.db import Database
from healthvision.kernel.events import Subscriptions
from healthvision.kernel.jobs import Job, Periodic
from healthvision.kernel.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class Module:
    """One room: routers (FastAPI APIRouter objects), jobs, subscriptions, start and stop.

    ``start(db, core)`` runs once per process before anything is served and puts the room's
    resources into ``db.resources``; ``stop(db)`` runs at the end.
    ``permissions``: permission -> one English line of help; roles are made of them.
    ``queues``: gives further job queues -> jobs that run at once per worker.
    """

    name: str
    routers: Sequence[Any] = ()
    jobs: Sequence[Job] = ()
    periodics: Sequence[Periodic] = ()
    queues: Callable[[], dict[str, int]] = dict
    subscriptions: Subscriptions = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    start: Callable[[Database, CoreSettings], Awaitable[None]] | None = None
    stop: Callable[[Database], Awaitable[None]] | None = None
