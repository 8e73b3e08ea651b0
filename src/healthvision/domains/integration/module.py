# SPDX-License-Identifier: Apache-2.0
"""The plug of the integration room."""

from healthvision.domains.archive.events import StudyComplete
from healthvision.domains.integration import (
    destination_api,
    jobs,
    pushing,
    sealing,
    worklist_api,
)
from healthvision.domains.integration import service as service  # its tables come with it
from healthvision.kernel.db import Database
from healthvision.kernel.events import Asked
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


async def _start(db: Database, _core: CoreSettings) -> None:
    sealing.prepare(db)


MODULE = Module(
    name="integration",
    routers=(
        destination_api.routes,
        destination_api.trials,
        destination_api.studies,
        worklist_api.routes,
    ),
    jobs=jobs.JOBS,
    queues=jobs.queues,
    subscriptions={
        pushing.RESULT_TOPIC: [pushing.on_result_ready],
        StudyComplete: [Asked(pushing.on_study_complete, pushing.wants_images)],
    },
    permissions={
        "destinations:read": "See destinations and what was sent to them.",
        "destinations:write": "Make, change, test and remove destinations.",
        "destinations:send": "Send a study to a destination, try a delivery again.",
        "schedule:read": "See the worklist of modalities.",
        "schedule:write": "Put steps on the worklist of modalities, cancel them.",
    },
    start=_start,
)
