# SPDX-License-Identifier: Apache-2.0
"""``healthvision doctor``: what is missing or misconfigured, and how to mend it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from uuid import UUID

import redis.asyncio as redis_client
from sqlalchemy.exc import SQLAlchemyError

from healthvision.app import checks, schema
from healthvision.app.browser_uploads import check_browser_uploads
from healthvision.app.checks import Check
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.modelhub.service import Shelf
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.settings import StorageSettings
from healthvision.kernel import plugins
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.leases import living_workers
from healthvision.kernel.masterkey import BadMasterKey, MasterKey, installation_key, known_check
from healthvision.kernel.settings import CoreSettings


async def _master_key(core: CoreSettings, *, with_database: bool) -> Check:
    """Compare the key file with what the database knows of it; never makes a key."""
    path, folder = core.master_key_file, core.data_dir
    remedy = "put your copy of the key file back; see HV_MASTER_KEY_FILE"
    try:
        known = await _key_of_database(core) if with_database else False
        if not known and not path.expanduser().exists():
            remedy = "healthvision up makes it for a new database; was there one, put it back"
            return Check("master key", "warning", f"{path} is missing", remedy)
        if not with_database:
            MasterKey.load(path, data_dir=folder)
    except (BadMasterKey, Problem, SQLAlchemyError) as error:
        return Check("master key", "failed", str(error).splitlines()[0], remedy)
    return Check("master key", "ok", f"{path} (keep a copy in another place)")


async def _key_of_database(core: CoreSettings) -> bool:
    """Tell whether the database knows a key; raises BadMasterKey when it is not the file's."""
    db = Database(core.resolved_database_url(), pool_size=1)
    try:
        known = await known_check(db) is not None
        if known or core.master_key_file.expanduser().exists():
            path, folder = core.master_key_file, core.data_dir
            await installation_key(db, path, data_dir=folder, make=False)
    finally:
        await db.close()
    return known


def _applications(_core: CoreSettings) -> Check:
    broken = []
    shelf = Shelf(ModelhubSettings().models_folder())
    for name in plugins.names("applications"):
        try:
            plugins.load("applications", name)
        except Problem as problem:
            broken.append(problem.detail)
    if broken:
        return Check("applications", "failed", "; ".join(broken), "reinstall the plugin")
    added = [f"{s.entry.id} {s.entry.version} (added)" for s in shelf.stored()]
    seen = ", ".join([*plugins.names("applications"), *added]) or "none"
    wrong = [f"{name}: {reason}" for name, reason in shelf.wrong()] + _without_engine(shelf)
    if wrong:
        remedy = "put the files back, or: healthvision model remove; docs/own-model.md"
        return Check("applications", "warning", "; ".join(wrong), remedy)
    return Check("applications", "ok", seen)


def _without_engine(shelf: Shelf) -> list[str]:
    """Return the added models whose network nothing here can run, and why."""
    kinds = {s.entry.id: s.description.file.kind for s in shelf.stored() if s.description.file}
    missing = {i: plugins.load("engines", kind).missing() for i, kind in kinds.items()}
    return [f"{name}: {reason}" for name, reason in missing.items() if reason]


async def _database(core: CoreSettings) -> Check:
    url = core.resolved_database_url()
    shown = url.rsplit("@", 1)[-1]
    try:
        at = await asyncio.to_thread(schema.current, url)
    except (SQLAlchemyError, OSError) as error:
        text = str(error).splitlines()[0]
        return Check(
            "database", "failed", f"{shown}: {text}", "check HV_DATABASE_URL and the server"
        )
    if at is None:
        return Check("database", "warning", f"{shown}: empty", "run: healthvision migrate")
    if at != schema.head():
        return Check(
            "database",
            "failed",
            f"{shown}: schema {at}, not {schema.head()}",
            "run: healthvision migrate",
        )
    return Check("database", "ok", f"{shown}, schema {at}")


async def _redis(core: CoreSettings) -> Check:
    if core.redis_url is None:
        return Check("redis", "ok", "not used (rate limits are counted in the database)")
    client = redis_client.Redis.from_url(core.redis_url.get_secret_value())
    try:
        await client.ping()
    except (redis_client.RedisError, OSError) as error:
        return Check("redis", "failed", str(error), "check HV_REDIS_URL and the server")
    finally:
        await client.aclose()
    return Check("redis", "ok", "answers")


async def _object_store(db: Database) -> Check:
    probe, text = f"doctor/{new_id()}", os.urandom(1000)
    try:
        stored = await storage.put(db, UUID(int=0), probe, text)
        back = b"".join([piece async for piece in storage.read(db, UUID(int=0), stored)])
        await storage.delete(db, stored)
    except (Problem, OSError) as error:
        return Check("object store", "failed", str(error), "check HV_STORAGE_... and the server")
    same = "ok" if back == text else "failed"
    return Check("object store", same, "writes, reads and deletes")  # type: ignore[arg-type]


async def _workers(db: Database) -> Check:
    async with db.reading() as session:
        alive = await living_workers(session)
    hosts = {r.host for r in alive}
    if len(hosts) > 1 and StorageSettings().one_host:
        return Check(
            "workers",
            "failed",
            f"roles on {len(hosts)} hosts with a local object store",
            "use an S3 store (HV_STORAGE_URL=s3://...), or one folder that all hosts have mounted "
            "and HV_STORAGE_SHARED=true",
        )
    if not alive:
        return Check("workers", "warning", "none alive", "run: healthvision up, or run worker")
    return Check("workers", "ok", f"{len(alive)} alive")


PLAIN: tuple[Callable[[CoreSettings], Check], ...] = (*checks.PLAIN, _applications)
WITH_CORE: tuple[Callable[[CoreSettings], Awaitable[Check]], ...] = (_database, _redis)
WITH_DATABASE: tuple[Callable[[Database], Awaitable[Check]], ...] = (
    _object_store,
    check_browser_uploads,
    _workers,
)


async def examine() -> list[Check]:
    """Look at everything; later checks are left out when settings or database are not usable."""
    found = checks.settings()
    if any(c.state == "failed" for c in found):
        return found
    core = CoreSettings()
    found += [check(core) for check in PLAIN]
    found += [await check(core) for check in WITH_CORE]
    with_database = any(c.name == "database" and c.state == "ok" for c in found)
    found.append(await _master_key(core, with_database=with_database))
    if with_database and found[-1].state == "ok":
        async with open_process(core, MODULES, make_key=False) as db:
            found += [await check(db) for check in WITH_DATABASE]
    return found
