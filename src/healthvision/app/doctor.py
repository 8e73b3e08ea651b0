# SPDX-License-Identifier: Apache-2.0
"""``healthvision doctor``: what is missing or misconfigured, and how to mend it."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlparse
from uuid import UUID

import redis.asyncio as redis_client
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from healthvision.app import configuration, schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.settings import StorageSettings
from healthvision.kernel import plugins, sandbox
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.leases import WorkerHeartbeat
from healthvision.kernel.masterkey import BadMasterKey, MasterKey, installation_key, known_check
from healthvision.kernel.settings import CoreSettings

State = Literal["ok", "warning", "failed"]
LOW_SPACE_GB = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: its state, what was seen, and how to mend it."""

    name: str
    state: State
    seen: str
    remedy: str = ""


def _python(_core: CoreSettings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok" if sys.version_info >= (3, 11) else "failed", version)


def _data_folder(core: CoreSettings) -> Check:
    try:
        core.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check("data folder", "failed", str(error), "set HV_DATA_DIR to a folder you own")
    if not os.access(core.data_dir, os.W_OK):
        seen = f"{core.data_dir} is not writable"
        return Check(
            "data folder", "failed", seen, f"chown it, or set HV_DATA_DIR (uid {os.getuid()})"
        )
    free = shutil.disk_usage(core.data_dir).free / 1e9
    seen = f"{core.data_dir}, {free:.0f} GB free"
    if free < LOW_SPACE_GB:
        return Check(
            "data folder", "warning", seen, f"less than {LOW_SPACE_GB} GB: free some space"
        )
    return Check("data folder", "ok", seen)


def _settings() -> list[Check]:
    """Judge the settings of all rooms: wrong values, and names that nobody reads."""
    wrong = configuration.faults()
    if wrong:
        return [Check("settings", "failed", line, "mend this setting") for line in wrong]
    strange = configuration.unknown()
    if strange:
        remedy = "nobody reads these: look for a slip in docs/reference/settings.md"
        return [Check("settings", "warning", "unknown: " + ", ".join(strange), remedy)]
    return [Check("settings", "ok", "all can be read")]


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


def _network_cut(_core: CoreSettings) -> Check:
    reason = sandbox.network_problem()
    if reason is None:
        return Check("sandbox", "ok", "applications run without a network")
    return Check(
        "sandbox",
        "failed",
        f"the kernel refuses network namespaces: {reason}",
        "as root: sysctl -w kernel.unprivileged_userns_clone=1, or run the worker as root",
    )


def _file_wall(_core: CoreSettings) -> Check:
    reason = sandbox.files_problem()
    if reason is None:
        return Check("sandbox files", "ok", "applications see only their own folder")
    return Check(
        "sandbox files",
        "warning",
        f"applications can read what the worker can read: {reason}",
        "use Linux 5.13 or newer with landlock in the lsm= boot parameter; until then run "
        "only applications you trust",
    )


def _public_url(core: CoreSettings) -> Check:
    parsed = urlparse(core.public_url)
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        return Check("public URL", "failed", core.public_url, "set HV_PUBLIC_URL to http(s)://host")
    local = parsed.hostname in ("127.0.0.1", "localhost", "::1")
    if parsed.scheme == "http" and not local:
        return Check(
            "public URL", "warning", core.public_url, "not encrypted: put the gateway in front"
        )
    return Check("public URL", "ok", core.public_url)


def _applications(_core: CoreSettings) -> Check:
    broken = []
    for name in plugins.names("applications"):
        try:
            plugins.load("applications", name)
        except Problem as problem:
            broken.append(problem.detail)
    if broken:
        return Check("applications", "failed", "; ".join(broken), "reinstall the plugin")
    return Check("applications", "ok", ", ".join(plugins.names("applications")) or "none")


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
        rows = (await session.scalars(select(WorkerHeartbeat))).all()
    alive = [r for r in rows if now() - r.seen_at < timedelta(seconds=30)]
    hosts = {r.host for r in alive}
    url = StorageSettings().url
    local = not url or url.startswith(("file:", "memory:"))
    if len(hosts) > 1 and local:
        return Check(
            "workers",
            "failed",
            f"roles on {len(hosts)} hosts with a local object store",
            "use an S3 store (HV_STORAGE_URL=s3://...)",
        )
    if not alive:
        return Check("workers", "warning", "none alive", "run: healthvision up, or run worker")
    return Check("workers", "ok", f"{len(alive)} alive")


PLAIN: tuple[Callable[[CoreSettings], Check], ...] = (
    _python,
    _data_folder,
    _network_cut,
    _file_wall,
    _public_url,
    _applications,
)
WITH_CORE: tuple[Callable[[CoreSettings], Awaitable[Check]], ...] = (_database, _redis)
WITH_DATABASE: tuple[Callable[[Database], Awaitable[Check]], ...] = (_object_store, _workers)


async def examine() -> list[Check]:
    """Look at everything; later checks are left out when settings or database are not usable."""
    checks = _settings()
    if any(c.state == "failed" for c in checks):
        return checks
    core = CoreSettings()
    checks += [check(core) for check in PLAIN]
    checks += [await check(core) for check in WITH_CORE]
    with_database = any(c.name == "database" and c.state == "ok" for c in checks)
    checks.append(await _master_key(core, with_database=with_database))
    if with_database and checks[-1].state == "ok":
        async with open_process(core, MODULES, make_key=False) as db:
            checks += [await check(db) for check in WITH_DATABASE]
    return checks
