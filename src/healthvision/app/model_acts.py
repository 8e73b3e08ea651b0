# SPDX-License-Identifier: Apache-2.0
"""Adding and retiring models, noted in the log of every organisation of the installation."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.modelhub import acts, adding
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.service import Shelf, Stored
from healthvision.domains.modelhub.shelf import Entry
from healthvision.kernel.db import DatabaseUnavailable, Session
from healthvision.kernel.settings import CoreSettings


async def add(core: CoreSettings, shelf: Shelf, path: Path) -> tuple[Stored, Trial]:
    """Check, try and store a model; raises what ``adding`` raises, DatabaseUnavailable.

    The log comes first: when it cannot be written, the model is not served.
    """
    _check_log(core)
    proposal, trial = adding.check(path)
    staged = shelf.stage(proposal.description, proposal.weights)
    return await acts.serve(lambda: _log(core), shelf, staged, _who()), trial


async def remove(
    core: CoreSettings, shelf: Shelf, model_id: str, version: str | None
) -> list[Entry]:
    """Take a model out of use; raises ApplicationNotFound, DatabaseUnavailable.

    The log comes first: when it cannot be written, the model stays in use.
    """
    _check_log(core)
    return await acts.retire(lambda: _log(core), shelf, model_id, version, _who())


def _who() -> str:
    return f"uid {os.getuid()}"


def _check_log(core: CoreSettings) -> None:
    """Raise DatabaseUnavailable when there is no database, or one of another version."""
    url = core.resolved_database_url()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise DatabaseUnavailable(
            "there is no database, so this could not be noted in the log: run healthvision "
            "migrate and healthvision account bootstrap first"
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
