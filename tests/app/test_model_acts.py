# SPDX-License-Identifier: Apache-2.0
"""Adding and retiring models: what cannot be noted in the log is not done."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from healthvision.app import accounts, model_acts, schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.adding import Trial
from healthvision.domains.modelhub.reading import Proposal, read
from healthvision.domains.modelhub.service import Shelf
from healthvision.kernel.db import DatabaseUnavailable
from healthvision.kernel.settings import CoreSettings
from tests.support import own_models


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty models folder."""
    return Shelf(tmp_path / "models")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose trial is taken for passed."""
    trial = Trial((), (), {}, {}, 0.0, 0, repeatable=True, responds=True)

    def check(path: Path) -> tuple[Proposal, Trial]:
        return read(path), trial

    monkeypatch.setattr(adding, "check", check)
    return own_models.folder(tmp_path / "m")


def _states(shelf: Shelf) -> list[str]:
    return [entry.state for entry in shelf.entries()]


async def _installed(core: CoreSettings) -> None:
    async with open_process(core, MODULES):
        pass


@contextmanager
def _no_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it no row of the log can be written, which is told."""

    async def fails(*_args: Any, **_more: Any) -> None:
        raise OSError("no log")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no log"):
        patch.setattr(audit, "record", fails)
        yield


@contextmanager
def _no_commit(shelf: Shelf) -> Iterator[list[list[str]]]:
    """Within it the commit after the shelf changed fails; gives the states seen just before."""
    seen: list[list[str]] = []
    before = _states(shelf)

    def fails(_session: Session) -> None:
        if _states(shelf) != before:
            seen.append(_states(shelf))
            raise OSError("no commit")

    event.listen(Session, "before_commit", fails)
    try:
        with pytest.raises(OSError, match="no commit"):
            yield seen
    finally:
        event.remove(Session, "before_commit", fails)


class TestWithoutALog:
    def test_without_a_database_nothing_is_done(
        self, core: CoreSettings, shelf: Shelf, folder: Path
    ) -> None:
        with pytest.raises(DatabaseUnavailable, match="no database"):
            asyncio.run(model_acts.add(core, shelf, folder))
        with pytest.raises(DatabaseUnavailable, match="no database"):
            asyncio.run(model_acts.remove(core, shelf, "bright-own", None))
        assert shelf.entries() == []

    def test_before_the_first_organisation_or_with_a_log_that_fails(
        self, core: CoreSettings, shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One installation for all: making one takes seconds."""
        schema.upgrade(core.resolved_database_url())
        asyncio.run(_installed(core))
        with pytest.raises(DatabaseUnavailable, match="no organisation"):
            asyncio.run(model_acts.add(core, shelf, folder))
        assert shelf.entries() == []

        asyncio.run(accounts.bootstrap(core, "ward", "a@ward.invalid", "A", "long enough a word 1"))
        with _no_rows(monkeypatch):
            asyncio.run(model_acts.add(core, shelf, folder))
        assert shelf.entries() == []
        asyncio.run(model_acts.add(core, shelf, folder))
        with _no_rows(monkeypatch):
            asyncio.run(model_acts.remove(core, shelf, "bright-own", None))
        assert _states(shelf) == ["active"]

        with _no_commit(shelf) as seen:
            asyncio.run(model_acts.remove(core, shelf, "bright-own", None))
        assert (seen, _states(shelf)) == ([["retired"]], ["active"])
        asyncio.run(model_acts.remove(core, shelf, "bright-own", None))
        with _no_commit(shelf) as seen:
            asyncio.run(model_acts.add(core, shelf, folder))
        assert (seen, _states(shelf)) == ([["active"]], ["retired"])
