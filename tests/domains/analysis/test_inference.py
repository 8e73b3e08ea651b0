# SPDX-License-Identifier: Apache-2.0
"""Applications ask engines in the parent, and every question is audited."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.modelhub.service import Engines
from tests.domains.analysis.conftest import Ward


class Echo:
    """The engine that answers what it is asked."""

    name = "echo"

    def __init__(self) -> None:
        self.asked = 0

    def infer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the question back."""
        self.asked += 1
        return values


@pytest.fixture
def echo(ward: Ward) -> Echo:
    """The echo, installed."""
    engine = Echo()
    ward.db.resources.put(Engines, Engines([engine]))
    return engine


async def _said(ward: Ward) -> list[Any]:
    async with ward.db.reading() as session:
        mine = AuditEvent.action == "analysis.inference"
        return [
            json.loads(row.detail or "{}")
            for row in await session.scalars(select(AuditEvent).where(mine))
        ]


class TestInfer:
    async def test_an_engine_in_the_parent_answers(self, ward: Ward, echo: Echo) -> None:
        task = await ward.analysed(parameters={"behave": "infer"})
        assert (task["state"], echo.asked) == ("done", 1)
        assert [d["engine"] for d in await _said(ward)] == ["echo"]

    async def test_an_unknown_engine_is_refused_by_name(self, ward: Ward, echo: Echo) -> None:
        task = await ward.analysed(parameters={"behave": "no-engine"})
        assert (task["state"], echo.asked) == ("done", 0)
        assert [d["said"] for d in await _said(ward)] == ["asked", "engine-not-found"]

    async def test_without_engines_there_is_nothing_to_ask(self, ward: Ward) -> None:
        task = await ward.analysed(parameters={"behave": "infer"})
        assert task["state"] == "failed"
        assert "AssertionError" in task["error_detail"]
