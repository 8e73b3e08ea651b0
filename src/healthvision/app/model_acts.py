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
    """Check, try and store a model; raises what ``adding`` raises, DatabaseUnavailable.

    The log comes first: when it cannot be written, the model is not served.
    """
    _check_log(core)
    proposal, trial = adding.check(path)
    staged = shelf.stage(proposal.description, proposal.weights)
    entry = staged.entry
    served = bool(shelf.active(entry.id, entry.version))
    stored: Stored | None = None
    try:
        async with _log(core) as session:
            await _note(session, "modelhub.model_added", [entry])
            stored = shelf.publish(staged)
    except BaseException:
        if stored is not None and not served:
            shelf.bring_back([entry], "retired")
        raise
    return stored, trial


async def remove(
    core: CoreSettings, shelf: Shelf, model_id: str, version: str | None
) -> list[Entry]:
    """Take a model out of use; raises ApplicationNotFound, DatabaseUnavailable.

    The log comes first: when it cannot be written, the model stays in use.
    """
    _check_log(core)
    gone = adding.in_use(shelf, model_id, version)
    retired: list[Entry] = []
    try:
        async with _log(core) as session:
            await _note(session, "modelhub.model_retired", gone)
            for entry in gone:
                retired += shelf.retire(entry.id, entry.version)
    except BaseException:
        if retired:
            shelf.bring_back(retired, "active")
        raise
    return retired


def _check_log(core: CoreSettings) -> None:
    """Raise DatabaseUnavailable when there is no database, or one of another version."""
    url = core.resolved_database_url()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise DatabaseUnavailable(
            "there is no database, so this could not be noted in the log: run healthvision "
            "migrate and healthvision user bootstrap first"
        )
    at = schema.current(url)
    if at != schema.head():
        raise DatabaseUnavailable(
            f"the database has the schema {at}, not {schema.head()}: run healthvision migrate"
        )


@asynccontextmanager
async def _log(core: CoreSettings) -> AsyncIterator[Session]:
    """Yield a session for the log, in one transaction."""
    async with open_process(core, MODULES, make_key=False) as db, db.transaction() as session:
        yield session


async def _note(session: Session, action: str, entries: list[Entry]) -> None:
    """Write the act into the log of every organisation; refuse when there is none."""
    rights = frozenset({"installation:admin"})
    someone = Actor(org_id=UUID(int=0), id="system", kind="system", permissions=rights)
    cursor, noted = None, 0
    while True:
        page = await identity.list_organisations(session, someone, cursor=cursor, limit=200)
        for organisation in page.items:
            actor = Actor.system(organisation.id, on_behalf_of=f"uid {os.getuid()}")
            for entry in entries:
                detail = {"version": entry.version, "description_sha256": entry.sha256}
                await audit.record(session, actor, action, entry.id, kind="model", detail=detail)
                noted += 1
        cursor = page.next
        if cursor is None:
            break
    if not noted:
        raise DatabaseUnavailable(
            "there is no organisation, so this could not be noted in a log: run healthvision "
            "user bootstrap first"
        )
    await session.flush()
