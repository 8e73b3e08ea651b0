# SPDX-License-Identifier: Apache-2.0
"""One process of the platform: its database, its resources, its rooms started."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from healthvision.app.assembly import register, started
from healthvision.kernel.db import Database
from healthvision.kernel.engine import EngineQueue
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.masterkey import MasterKey, installation_key
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


@asynccontextmanager
async def open_process(
    core: CoreSettings, modules: Sequence[Module], *, make_key: bool = True
) -> AsyncIterator[Database]:
    """Yield a started database on the running event loop; everything is closed at the end.

    ``make_key``: whether a database that has seen no master key yet may get a new one. Raises
    BadMasterKey when the key file is not the one that belongs to the database.
    """
    url = core.resolved_database_url()
    db = Database(url, pool_size=core.database_pool_size)
    register(db, modules)
    queue = EngineQueue(url)
    db.resources.put(CoreSettings, core)
    db.resources.put(JobQueue, queue)  # type: ignore[type-abstract]
    try:
        path, folder = core.master_key_file, core.data_dir
        key = await installation_key(db, path, data_dir=folder, make=make_key)
        db.resources.put(MasterKey, key)
        async with started(db, modules, core):
            yield db
    finally:
        await db.close()
        queue.close()
