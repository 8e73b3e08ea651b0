# SPDX-License-Identifier: Apache-2.0
"""Forks children that receive, seal, compact and clean up for ever, until they are killed."""

import asyncio
import os
import sys
from uuid import UUID

from pydicom.uid import generate_uid

from healthvision.app.assembly import register, started
from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.domains.archive.kill_child import MODULES
from tests.factories.dicom import ct_bytes
from tests.support.queue import InPlaceQueue

SETTINGS = {
    "HV_ARCHIVE_SEAL_QUIET_S": "0",
    "HV_ARCHIVE_COMPACT_GENERATIONS": "1",
    "HV_ARCHIVE_RETIRED_GRACE_S": "0",
}


async def main(url: str, org_id: UUID) -> None:
    os.environ.update(SETTINGS)
    db = Database(url)
    register(db, MODULES)
    db.resources.put(JobQueue, InPlaceQueue())  # type: ignore[type-abstract]
    actor = Actor.system(org_id)
    async with started(db, MODULES, CoreSettings()):
        while True:
            await _round(db, actor)


async def _round(db: Database, actor: Actor) -> None:
    study, series = generate_uid(), generate_uid()
    for _ in range(2):
        items = [Incoming(ct_bytes(study_uid=study, series_uid=series)) for _ in range(2)]
        answers = await service.receive(
            db, actor, items, space_id="default", origin=Origin("folder")
        )
        for answer in answers:
            sys.stdout.write(f"{answer.study_uid} {answer.sop_uid} {answer.outcome}\n")
        sys.stdout.flush()
        await service.seal_quiet_series(db)
    await service.compact(db)
    await service.delete_retired(db)
    await service.remove_spent_segments(db)


def serve(url: str, org_id: UUID) -> None:
    """Start one child per line of standard input and wait for its end."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdout.write(f"pid {os.getpid()}\n")
            sys.stdout.flush()
            asyncio.run(main(url, org_id))
        os.waitpid(child, 0)
        sys.stdout.write("\ndead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.argv[1], UUID(sys.argv[2]))
