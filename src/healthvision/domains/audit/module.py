# SPDX-License-Identifier: Apache-2.0
"""The plug of the audit room."""

from healthvision.domains.audit import api, jobs, service
from healthvision.domains.audit.refusals import Refusals
from healthvision.kernel.db import Database
from healthvision.kernel.http import RefusalLog
from healthvision.kernel.jobs import Periodic
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


async def _start(db: Database, _core: CoreSettings) -> None:
    service.writer_of(db)
    db.resources.put(RefusalLog, Refusals(db))  # type: ignore[type-abstract]


MODULE = Module(
    name="audit",
    routers=(api.audit_router,),
    periodics=(Periodic("audit.seal", jobs.SEAL_EVERY_S, jobs.seal),),
    permissions={"audit:read": "Read the audit log, its reports and its verification."},
    start=_start,
    stop=service.flush,
)
