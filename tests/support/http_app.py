# SPDX-License-Identifier: Apache-2.0
"""The HTTP application under test, built once for the same rooms."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from healthvision.app.api import create_app
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module

Parts = tuple[tuple[int, ...], tuple[int, ...]]
_built: dict[Parts, FastAPI] = {}  # an application keeps its rooms: their ids stay theirs


def application(
    db: Database, modules: Sequence[Module], routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """Return the application of rooms and doors with the test's database.

    FastAPI works out every route at an application's first request (half a second of CPU for all
    rooms) and keeps what it made, so the tests of one process share one application.
    """
    parts = tuple(map(id, modules)), tuple(map(id, routers))
    if parts not in _built:
        _built[parts] = create_app(db, tuple(modules), routers=tuple(routers), lifespan=None)
        _built[parts].state.parts = (tuple(modules), tuple(routers))
    _built[parts].state.db = db
    return _built[parts]
