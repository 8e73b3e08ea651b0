# SPDX-License-Identifier: Apache-2.0
"""The worklist through the API: made, listed, cancelled, hidden from strangers."""

from typing import Any

import httpx

from healthvision.domains.spaces.schemas import SpaceRead
from tests.support.auth import HEADER

STRANGER = {HEADER: "stranger"}
NEW: dict[str, Any] = {
    "patient_id": "P1",
    "patient_name": "Wang^Min=王^敏",
    "modality": "CT",
    "scheduled_date": "2026-03-04",
    "scheduled_time": "08:30:00",
    "step_id": "S1",
}

BAD: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 409),
    ({"step_id": "S2", "space": "nowhere"}, 404),
    ({"patient_name": "A\\B"}, 422),
    ({"accession_number": "x" * 17}, 422),
    ({"study_uid": "1..2"}, 422),
    ({"modality": "ct"}, 422),
    ({"patient_id": " "}, 422),
    ({"scheduled_time": "08:30Z"}, 422),
)


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/modality-worklist", json={**NEW, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestCreate:
    async def test_missing_ids_are_made(self, client: httpx.AsyncClient, space: SpaceRead) -> None:
        new = await made(client, step_id="")
        assert new["state"] == "scheduled" and new["patient_name"] == "Wang^Min=王^敏"
        assert new["study_uid"].startswith("2.25.")
        assert 2 < len(new["step_id"]) <= 16
        assert (new["scheduled_date"], new["scheduled_time"]) == ("2026-03-04", "08:30:00")

    async def test_what_no_modality_could_read_is_refused(
        self, client: httpx.AsyncClient, space: SpaceRead
    ) -> None:
        await made(client)
        for change, status in BAD:
            answer = await client.post("/v1/modality-worklist", json={**NEW, **change})
            assert answer.status_code == status, (change, answer.text)


class TestList:
    async def test_pages_by_day_and_chooses(
        self, client: httpx.AsyncClient, space: SpaceRead
    ) -> None:
        for day in ("05", "04", "06"):
            await made(client, step_id=f"S{day}", scheduled_date=f"2026-03-{day}")
        seen: list[str] = []
        cursor = ""
        while True:
            query = f"/v1/modality-worklist?limit=1{cursor}"
            page = (await client.get(query)).json()
            seen += [i["scheduled_date"][-2:] for i in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == ["04", "05", "06"]
        query = "from_date=2026-03-05&to_date=2026-03-05&modality=CT&state=scheduled"
        found = (await client.get(f"/v1/modality-worklist?{query}")).json()
        assert len(found["items"]) == 1
        assert (await client.get("/v1/modality-worklist?cursor=nonsense")).status_code == 422

    async def test_a_stranger_sees_nothing(
        self, client: httpx.AsyncClient, space: SpaceRead
    ) -> None:
        path = f"/v1/modality-worklist/{(await made(client))['id']}"
        assert (await client.get("/v1/modality-worklist", headers=STRANGER)).json()["items"] == []
        assert (await client.get(path, headers=STRANGER)).status_code == 404
        assert (await client.post(f"{path}/cancel", headers=STRANGER)).status_code == 404


class TestCancel:
    async def test_is_kept_as_cancelled(self, client: httpx.AsyncClient, space: SpaceRead) -> None:
        path = f"/v1/modality-worklist/{(await made(client))['id']}"
        for _ in range(2):
            assert (await client.post(f"{path}/cancel")).json()["state"] == "cancelled"
        assert (await client.get(path)).json()["state"] == "cancelled"
