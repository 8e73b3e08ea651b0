# SPDX-License-Identifier: Apache-2.0
"""Subscriptions and notifications over HTTP."""

from uuid import uuid4

import httpx
import pytest

from healthvision.domains.notify import service as notify
from healthvision.kernel.db import Database
from tests.domains.notify.receiver import Receiver

OTHER = {"x-test-actor": "stranger"}


@pytest.fixture
def wish(receiver: Receiver) -> dict[str, object]:
    """Return a webhook subscription as JSON."""
    return {
        "name": "RIS",
        "topics": ["analysis.*"],
        "channel": "webhook",
        "config": {"url": receiver.url},
    }


class TestSubscriptions:
    async def test_live_from_creation_to_removal(
        self, client: httpx.AsyncClient, wish: dict[str, object]
    ) -> None:
        made = await client.post("/v1/subscriptions", json=wish)
        assert made.status_code == 201
        path = f"/v1/subscriptions/{made.json()['id']}"
        assert made.json()["secret"].startswith("whsec_")
        assert "secret" not in (await client.get(path)).json()
        changed = await client.patch(path, json={"enabled": False})
        assert changed.json()["enabled"] is False
        listed = (await client.get("/v1/subscriptions")).json()
        assert [s["name"] for s in listed["items"]] == ["RIS"]
        rotated = await client.post(f"{path}/rotate-secret")
        assert rotated.json()["secret"] != made.json()["secret"]
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404

    async def test_are_hidden_from_other_organisations(
        self, client: httpx.AsyncClient, wish: dict[str, object]
    ) -> None:
        made = (await client.post("/v1/subscriptions", json=wish)).json()
        path = f"/v1/subscriptions/{made['id']}"
        assert (await client.get("/v1/subscriptions", headers=OTHER)).json()["items"] == []
        answers = [
            await client.get(path, headers=OTHER),
            await client.patch(path, json={"name": "x"}, headers=OTHER),
            await client.delete(path, headers=OTHER),
            await client.post(f"{path}/test", headers=OTHER),
            await client.post(f"{path}/rotate-secret", headers=OTHER),
            await client.get(f"{path}/deliveries", headers=OTHER),
        ]
        assert {a.status_code for a in answers} == {404}

    @pytest.mark.parametrize(
        "change",
        [
            {"topics": []},
            {"topics": ["Bad Topic"]},
            {"topics": ["notify.tested"]},
            {"config": {"url": "http://192.168.7.7/hook"}},
            {"channel": "pigeon"},
            {"config": {"url": "http://[::1"}},
            {"config": {"url": 5}},
            {"name": ""},
            {"match": {"priority": "stat"}},
            {"unknown": 1},
        ],
    )
    async def test_bad_input_is_named(
        self, client: httpx.AsyncClient, wish: dict[str, object], change: dict[str, object]
    ) -> None:
        answer = await client.post("/v1/subscriptions", json=wish | change)
        assert answer.status_code == (404 if "channel" in change else 422)

    async def test_list_pages(self, client: httpx.AsyncClient, wish: dict[str, object]) -> None:
        for number in range(3):
            await client.post("/v1/subscriptions", json=wish | {"name": str(number)})
        first = (await client.get("/v1/subscriptions", params={"limit": 2})).json()
        query = {"limit": 2, "cursor": first["next"]}
        second = (await client.get("/v1/subscriptions", params=query)).json()
        assert [s["name"] for s in first["items"] + second["items"]] == ["0", "1", "2"]
        assert second["next"] is None
        bad = await client.get("/v1/subscriptions", params={"cursor": "WzFd"})
        assert bad.status_code == 422

    async def test_channels_are_listed_with_their_settings(
        self, client: httpx.AsyncClient, receiver: Receiver
    ) -> None:
        found = (await client.get("/v1/subscriptions/channels")).json()
        assert {"inapp", "webhook", "smtp", "sms"} <= {c["name"] for c in found}


class TestDeliveries:
    async def test_test_message_arrives_and_can_be_sent_again(
        self,
        db: Database,
        client: httpx.AsyncClient,
        wish: dict[str, object],
        receiver: Receiver,
    ) -> None:
        made = (await client.post("/v1/subscriptions", json=wish)).json()
        path = f"/v1/subscriptions/{made['id']}"
        queued = await client.post(f"{path}/test")
        assert (queued.status_code, queued.json()["state"]) == (202, "pending")
        await notify.pump(db)
        (done,) = (await client.get(f"{path}/deliveries")).json()["items"]
        assert (done["state"], done["receipt"]) == ("delivered", "HTTP 204")
        again = await client.post(f"{path}/deliveries/{done['id']}/redeliver")
        assert again.status_code == 202
        await notify.pump(db)
        ids = [got.headers["webhook-id"] for got in receiver.got]
        assert ids == [done["event_id"]] * 2
        missing = await client.post(f"{path}/deliveries/{uuid4()}/redeliver")
        assert missing.status_code == 404


class TestNotifications:
    async def test_inbox_is_read_by_its_owner_only(
        self, client: httpx.AsyncClient, wish: dict[str, object]
    ) -> None:
        inapp = wish | {"channel": "inapp", "config": {}, "language": "en"}
        made = (await client.post("/v1/subscriptions", json=inapp)).json()
        await client.post(f"/v1/subscriptions/{made['id']}/test")
        (note,) = (await client.get("/v1/notifications")).json()["items"]
        assert note["title"] == "HealthVision test message"
        assert (await client.get("/v1/notifications/unread")).json() == {"unread": 1}
        path = f"/v1/notifications/{note['id']}/read"
        assert (await client.post(path, headers=OTHER)).status_code == 404
        assert (await client.post(path)).json()["read_at"] is not None
        await client.post(f"/v1/subscriptions/{made['id']}/test")
        assert (await client.post("/v1/notifications/read-all")).json() == {"unread": 0}
        assert (await client.get("/v1/notifications", params={"unread": True})).json()[
            "items"
        ] == []
