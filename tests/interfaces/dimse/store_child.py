# SPDX-License-Identifier: Apache-2.0
"""Forks children that open a DICOM port and say its number, until they are killed.

Each line on standard input starts one child; it says 'pid port', and this process 'dead' after it.
"""

import asyncio
import os
import sys

from healthvision.app.assembly import register, started
from healthvision.domains.archive import module as archive
from healthvision.domains.archive.receiving import bulk_writer
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.storage import module as storage
from healthvision.interfaces.dimse.door import bind_port, open_door
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.settings import CoreSettings
from tests.support.queue import InPlaceQueue

MODULES = [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


async def main(url: str) -> None:
    """Receive until killed; what the child before left is replayed first."""
    bulk_writer.PATIENCE_S = 120.0  # a slow machine does not make debts of what is held up
    db = Database(url)
    register(db, MODULES)
    db.resources.put(JobQueue, InPlaceQueue())  # type: ignore[type-abstract]
    settings = DimseSettings(port=0)
    async with (
        started(db, MODULES, CoreSettings()),
        open_door(db, bind_port(settings), settings) as port,
    ):
        sys.stdout.write(f"{os.getpid()} {port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def serve(url: str) -> None:
    """Start one child per line of standard input and wait for its end."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            asyncio.run(main(url))
        os.waitpid(child, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
