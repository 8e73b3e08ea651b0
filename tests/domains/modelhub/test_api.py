# SPDX-License-Identifier: Apache-2.0
"""Models through the door: lists, cards, switching off, versions."""

from collections.abc import Sequence

import httpx
import pytest

from healthvision.domains.audit import module as audit
from healthvision.domains.modelhub import module as modelhub
from healthvision.domains.modelhub.service import Installed, Registry
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from tests.support.applications import BRIGHT, NEWER
from tests.support.auth import HEADER


@pytest.fixture
def modules() -> Sequence[Module]:
    return [audit.MODULE, modelhub.MODULE]


@pytest.fixture(autouse=True)
def installed(db: Database) -> None:
    both = [Installed(BRIGHT.manifest, "a:b"), Installed(NEWER.manifest, "a:c")]
    db.resources.put(Registry, Registry(both))


class TestModels:
    async def test_the_newest_version_runs(self, client: httpx.AsyncClient) -> None:
        found = (await client.get("/v1/models")).json()["items"]
        assert [(m["id"], m["version"], m["versions"]) for m in found] == [
            ("bright", "1.1.0", ["1.1.0", "1.0.0"])
        ]

    async def test_the_card_speaks_both_languages(self, client: httpx.AsyncClient) -> None:
        zh = (await client.get("/v1/models/bright/card?language=zh")).text
        en = (await client.get("/v1/models/bright/card?language=en&format=md")).text
        assert "证据等级" in zh and "高亮区" in zh
        assert "| sensitivity | 1 |" in en

    async def test_switching_off_counts_for_one_organisation(
        self, client: httpx.AsyncClient
    ) -> None:
        changed = await client.patch("/v1/models/bright", json={"enabled": False})
        assert changed.json()["enabled"] is False
        other = await client.get("/v1/models/bright", headers={HEADER: "stranger"})
        assert other.json()["enabled"] is True

    async def test_a_version_can_be_held_and_let_go(self, client: httpx.AsyncClient) -> None:
        held = await client.patch("/v1/models/bright", json={"pinned_version": "1.0.0"})
        assert held.json()["version"] == "1.0.0"
        free = await client.patch("/v1/models/bright", json={"pinned_version": None})
        assert free.json()["version"] == "1.1.0"
        wrong = await client.patch("/v1/models/bright", json={"pinned_version": "9"})
        assert wrong.status_code == 404

    async def test_unknown_models_are_not_found(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/models/nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, "application-not-found")
