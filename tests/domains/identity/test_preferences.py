# SPDX-License-Identifier: Apache-2.0
"""Preferences are the person's own, bounded, and of two writers the last one wins by key."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.domains.identity.conftest import Hospital, bearer, sign_in

PATH = "/v1/me/preferences"
NOTHING: dict[str, Any] = {
    "language": None,
    "keys": {},
    "layouts": {},
    "windows": {},
    "opacity": None,
}

WINDOW = {"name": "n", "centre": 0, "width": 1}
REFUSED: list[dict[str, Any]] = [
    {"theme": "light"},
    {"keys": {"explode": "x"}},
    {"keys": {"length": "x" * 25}},
    {"keys": {"length": "\u0007"}},
    {"layouts": {"CT": "3x3"}},
    {"layouts": {"../CT": "1x1"}},
    {"windows": {"CT": [WINDOW] * 9}},
    {"windows": {"CT": [{**WINDOW, "width": 0}]}},
    {"opacity": 2},
    {"language": "fr"},
]


@pytest.fixture
async def reader(web: httpx.AsyncClient, east: Hospital) -> dict[str, str]:
    return bearer((await sign_in(web, east.reader_email))["access_token"])


async def change(web: httpx.AsyncClient, who: dict[str, str], **patch: Any) -> dict[str, Any]:
    answer = await web.patch(PATH, json=patch, headers=who)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestPreferences:
    async def test_what_is_not_sent_stays_and_null_is_the_default(
        self, web: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        assert (await web.get(PATH, headers=reader)).json() == NOTHING
        await change(web, reader, keys={"length": "m", "angle": "Ctrl+a"}, language="en")
        lung = {"name": "肺", "centre": -600, "width": 1500}
        made = await change(web, reader, layouts={"CT": "mpr"}, windows={"CT": [lung]})
        assert made["keys"] == {"length": "m", "angle": "Ctrl+a"}
        assert (made["layouts"], made["windows"]) == ({"CT": "mpr"}, {"CT": [lung]})
        one_back = await change(web, reader, keys={"length": None}, windows=None)
        assert (one_back["keys"], one_back["windows"]) == ({"angle": "Ctrl+a"}, {})
        bare = await change(
            web, reader, keys=None, layouts=None, language=None, windows=None, opacity=None
        )
        assert bare == NOTHING

    async def test_two_browsers_that_change_different_keys_lose_nothing(
        self, web: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        await asyncio.gather(
            *(change(web, reader, keys={action: "m"}) for action in ("length", "angle", "pan")),
            *(change(web, reader, opacity=value) for value in (0.2, 0.4)),
        )
        found = (await web.get(PATH, headers=reader)).json()
        assert found["keys"] == {"length": "m", "angle": "m", "pan": "m"}
        assert found["opacity"] in (0.2, 0.4)

    async def test_a_version_can_be_demanded(
        self, web: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        tag = (await web.get(PATH, headers=reader)).headers["etag"]
        headers = {**reader, "If-Match": tag}
        first = await web.patch(PATH, json={"opacity": 0.5}, headers=headers)
        assert first.status_code == 200
        assert (await web.get(PATH, headers=reader)).headers["etag"] == first.headers["etag"]
        assert (await web.patch(PATH, json={"opacity": 1}, headers=headers)).status_code == 412

    async def test_only_known_and_bounded_things_are_kept(
        self, web: httpx.AsyncClient, reader: dict[str, str]
    ) -> None:
        for patch in REFUSED:
            answer = await web.patch(PATH, json=patch, headers=reader)
            assert answer.status_code == 422, patch
        assert (await web.get(PATH, headers=reader)).json() == NOTHING

    async def test_nobody_else_sees_them_and_a_program_has_none(
        self, web: httpx.AsyncClient, reader: dict[str, str], boss: dict[str, str], east: Hospital
    ) -> None:
        await change(web, reader, opacity=0.1)
        assert (await web.get(PATH, headers=boss)).json() == NOTHING
        form = {"grant_type": "client_credentials"}
        auth = (east.client_id, east.secret)
        token = (await web.post("/oauth/token", data=form, auth=auth)).json()["access_token"]
        assert (await web.get(PATH, headers=bearer(token))).status_code == 404
