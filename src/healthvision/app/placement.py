# SPDX-License-Identifier: Apache-2.0
"""Processes on two hosts need an object store that both can reach."""

import asyncio
import socket
from datetime import datetime

from healthvision.domains.storage.settings import StorageSettings
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Conflict
from healthvision.kernel.leases import ALIVE_S, living_workers
from healthvision.kernel.telemetry import logger

LOOK_S = 1.0
_log = logger("app.placement")


class OtherHost(Conflict):
    """A worker of the installation runs on another host, and the store is a local folder."""

    code, title = "other-host", "Object store out of reach"


async def check(db: Database) -> None:
    """Raise OtherHost when a worker elsewhere gives signs of life and the store is local.

    A worker that died elsewhere (a container with a new host name) only costs the time until its
    last sign is too old.
    """
    if not StorageSettings().one_host:
        return
    first: dict[str, datetime] = {}
    end = monotonic() + ALIVE_S
    while elsewhere := await _elsewhere(db):
        for worker_id, seen_at in elsewhere.items():
            if seen_at > first.setdefault(worker_id, seen_at) or monotonic() > end:
                raise OtherHost(
                    "a worker runs on another host, and the object store is a folder of one host: "
                    "use an S3 store (HV_STORAGE_URL=s3://...), or one folder that all hosts have "
                    "mounted and HV_STORAGE_SHARED=true"
                )
        _log.warning("waiting: a worker was seen on another host a moment ago")
        await asyncio.sleep(LOOK_S)


async def _elsewhere(db: Database) -> dict[str, datetime]:
    async with db.reading() as session:
        living = await living_workers(session)
    return {w.worker_id: w.seen_at for w in living if w.host != socket.gethostname()}
