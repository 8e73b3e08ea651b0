# SPDX-License-Identifier: Apache-2.0
"""Adding and retiring models, noted in the log of every organisation of the installation."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.audit import service as audit
from healthvision.domains.identity import service as identity
from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.service import Shelf, Stored
from healthvision.domains.modelhub.shelf import Entry
from healthvision.kernel.db import DatabaseUnavailable, Session
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings


async def add(core: CoreSettings, shelf: Shelf, path: Path) -> tuple[Stored, Trial]:
    """Check, try and store a model; raises what ``adding`` raises, DatabaseUnavailable."""
    proposal, trial = adding.check(path)
    async with _log(core) as session:
        stored = shelf.put(proposal.description, proposal.weights)
        await _note(session, "modelhub.model_added", [stored.entry])
    return stored, trial


async def remove(
    core: CoreSettings, shelf: Shelf, model_id: str, version: str | None
) -> list[Entry]:
    """Take a model out of use; raises ApplicationNotFound, DatabaseUnavailable."""
    async with _log(core) as session:
        gone = adding.remove(shelf, model_id, version)
        await _note(session, "modelhub.model_retired", gone)
    return gone


@asynccontextmanager
async def _log(core: CoreSettings) -> AsyncIterator[Session | None]:
    """Yield a session for the log; None where there is no database yet.

    Raises DatabaseUnavailable, before anything was done, for one of another version.
    """
    url = core.resolved_database_url()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield None
        return
    at = schema.current(url)
    if at != schema.head():
        raise DatabaseUnavailable(
            f"the database has the schema {at}, not {schema.head()}: run healthvision migrate"
        )
    async with open_process(core, MODULES, make_key=False) as db, db.transaction() as session:
        yield session


async def _note(session: Session | None, action: str, entries: list[Entry]) -> None:
    if session is None:
        return
    rights = frozenset({"installation:admin"})
    someone = Actor(org_id=UUID(int=0), id="system", kind="system", permissions=rights)
    cursor = None
    while True:
        page = await identity.list_organisations(session, someone, cursor=cursor, limit=200)
        for organisation in page.items:
            actor = Actor.system(organisation.id, on_behalf_of=f"uid {os.getuid()}")
            for entry in entries:
                detail = {"version": entry.version, "description_sha256": entry.sha256}
                await audit.record(session, actor, action, entry.id, kind="model", detail=detail)
        cursor = page.next
        if cursor is None:
            return
