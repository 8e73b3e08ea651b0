# SPDX-License-Identifier: Apache-2.0
"""The plug of the model hub."""

from healthvision.domains.modelhub import api, jobs, service
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


async def start(db: Database, core: CoreSettings) -> None:
    """Find the installed applications, once per process."""
    if not db.resources.has(service.Registry):
        db.resources.put(service.Registry, service.discover())
    if not db.resources.has(service.Engines):
        shelf = db.resources.get(service.Registry).shelf
        db.resources.put(service.Engines, service.Engines(shelf=shelf))


MODULE = Module(
    name="modelhub",
    routers=(api.models, api.retirements, api.additions, api.packages),
    jobs=jobs.JOBS,
    periodics=jobs.PERIODICS,
    queues=jobs.queues,
    start=start,
    permissions={
        "models:read": "See installed AI models, their cards and licences",
        "models:manage": "Switch AI models on and off and hold versions (bringing own ones also "
        "needs installation:admin)",
    },
)
