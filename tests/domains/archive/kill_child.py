# SPDX-License-Identifier: Apache-2.0
"""Forks children that receive objects for ever and say what is acknowledged, until killed.

Each line on standard input starts one child; its first line is its process id, the last 'dead'.
"""

import asyncio
import os
import sys
from uuid import UUID

from healthvision.app.assembly import register, started
from healthvision.domains.archive import module as archive
from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.storage import module as storage
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_series
from tests.support.queue import InPlaceQueue

MODULES = [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


async def main(url: str, org_id: UUID) -> None:
    db = Database(url)
    register(db, MODULES)
    db.resources.put(JobQueue, InPlaceQueue())  # type: ignore[type-abstract]
    actor = Actor.system(org_id)
    async with started(db, MODULES, CoreSettings()):
        while True:
            items = [Incoming(data) for data in ct_series(3)]
            answers = await service.receive(
                db, actor, items, space_id="default", origin=Origin("folder")
            )
            for answer in answers:
                sys.stdout.write(f"{answer.study_uid} {answer.sop_uid} {answer.outcome}\n")
            sys.stdout.flush()


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
