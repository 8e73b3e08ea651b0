# SPDX-License-Identifier: Apache-2.0
"""The plug of the notify room."""

from healthvision.domains.notify import api, jobs, sealing, service
from healthvision.kernel.db import Database
from healthvision.kernel.events import Asked
from healthvision.kernel.jobs import Periodic
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


async def _start(db: Database, _core: CoreSettings) -> None:
    sealing.prepare(db)


MODULE = Module(
    name="notify",
    routers=(api.subscriptions_router, api.notifications_router),
    periodics=(
        Periodic("notify.pump", jobs.PUMP_EVERY_S, jobs.pump),
        Periodic("notify.prune", jobs.PRUNE_EVERY_S, jobs.prune),
    ),
    subscriptions={"*": [Asked(service.on_event, service.wants)]},
    permissions={
        "notify:read": "See subscriptions and their deliveries.",
        "notify:write": "Make and change subscriptions, rotate secrets, send again.",
    },
    start=_start,
)
