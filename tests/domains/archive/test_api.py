# SPDX-License-Identifier: Apache-2.0
"""Studies through the door."""

import io
import zipfile

import httpx
import nibabel as nib
import pytest
from pydicom.uid import generate_uid

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.schemas import EventFilter
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series

OTHER = {"x-test-actor": "stranger"}


class TestListStudies:
    @pytest.mark.parametrize(
        ("key", "value", "found"),
        [
            ("patient_id", "P1", True),
            ("patient_id", "P2", False),
            ("patient_name", "王", True),
            ("patient_name", "xiaod", True),
            ("patient_name", "li", False),
            ("study_date", "20260101-20261231", True),
            ("study_date", "-20250101", False),
            ("accession_number", "A*", True),
            ("modality", "CT", True),
            ("modality", "MR", False),
        ],
    )
    async def test_finds_by_each_key(
        self, client: httpx.AsyncClient, send: Send, key: str, value: str, found: bool
    ) -> None:
        await send([ct_bytes()])
        page = (await client.get("/v1/studies", params={key: value})).json()
        assert (len(page["items"]), page["total"]) == (int(found), int(found))

    async def test_pages_without_gaps(self, client: httpx.AsyncClient, send: Send) -> None:
        dates = ["20260101", "20260102", "20260102", "20260102", "20260103"]
        await send([ct_bytes(StudyDate=d) for d in dates])
        seen, cursor = [], None
        while True:
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/studies", params=params)).json()
            seen += [s["study_date"] for s in page["items"]]
            if not (cursor := page["next"]):
                break
        assert seen == sorted(dates, reverse=True)

    async def test_a_wrong_date_is_422(self, client: httpx.AsyncClient, send: Send) -> None:
        answer = await client.get("/v1/studies", params={"study_date": "yesterday"})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-query")


class TestStrangers:
    async def test_get_404_everywhere_and_empty_lists(
        self, client: httpx.AsyncClient, send: Send, stranger_space: SpaceRead
    ) -> None:
        (answer,) = await send([ct_bytes()])
        study = f"/v1/studies/{answer.study_id}"
        reads = [
            study,
            f"{study}/instances",
            f"{study}/export",
            f"/v1/series/{answer.series_id}",
            f"/v1/instances/{answer.instance_id}",
            f"/v1/instances/{answer.instance_id}/metadata",
        ]
        for path in reads:
            assert (await client.get(path)).status_code == 200, path
            assert (await client.get(path, headers=OTHER)).status_code == 404, path
        page = (await client.get("/v1/studies", headers=OTHER)).json()
        assert (page["items"], page["total"]) == ([], 0)
        assert (await client.delete(study, headers=OTHER)).status_code == 404
        for path in ("close", "spaces"):
            body = {"space": "default"}
            answer_ = await client.post(f"{study}/{path}", json=body, headers=OTHER)
            assert answer_.status_code == 404
        changed = await client.patch(study, json={"legal_hold": True}, headers=OTHER)
        assert changed.status_code == 404


class TestSpaces:
    async def test_a_study_moves_between_spaces(
        self, client: httpx.AsyncClient, send: Send
    ) -> None:
        (answer,) = await send([ct_bytes()])
        study = f"/v1/studies/{answer.study_id}"
        await client.post("/v1/spaces", json={"slug": "lung"})
        assert (await client.get("/v1/studies?space=lung")).json()["total"] == 0
        added = await client.post(f"{study}/spaces", json={"space": "lung"})
        assert [s["slug"] for s in added.json()["spaces"]] == ["default", "lung"]
        assert (await client.delete(f"{study}/spaces/default")).status_code == 204
        assert (await client.get("/v1/studies?space=default")).json()["total"] == 0
        assert (await client.get("/v1/studies?space=lung")).json()["total"] == 1
        assert (await client.delete(f"{study}/spaces/lung")).status_code == 409


class TestAudited:
    async def _actions(self, db: Database, actor: Actor, study: str) -> list[str]:
        async with db.reading() as session:
            page = await audit.list_events(session, actor, EventFilter(subject=study))
        return [e.action for e in page.items if e.actor_id == actor.id]

    async def test_a_repeated_close_or_move_shows_the_patient_and_is_in_the_log(
        self, client: httpx.AsyncClient, send: Send, db: Database, actor: Actor
    ) -> None:
        (answer,) = await send([ct_bytes()])
        study = str(answer.study_id)
        for path in ("close", "close", "spaces", "spaces"):
            before = len(await self._actions(db, actor, study))
            told = await client.post(f"/v1/studies/{study}/{path}", json={"space": "default"})
            assert told.json()["patient_name"]
            actions = await self._actions(db, actor, study)
            assert len(actions) > before, path
            assert actions[0] == "archive.study_read"

    @pytest.mark.parametrize("path", ["close", "spaces"])
    async def test_a_kept_answer_is_recorded_and_goes_with_the_study(
        self, client: httpx.AsyncClient, send: Send, db: Database, actor: Actor, path: str
    ) -> None:
        (answer,) = await send([ct_bytes()])
        study = str(answer.study_id)
        headers = {"Idempotency-Key": "replay-key-1"}

        async def post() -> httpx.Response:
            url = f"/v1/studies/{study}/{path}"
            return await client.post(url, json={"space": "default"}, headers=headers)

        await post()
        again = await post()
        assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
        assert (await self._actions(db, actor, study))[0] == "archive.answer_replayed"
        assert (await client.delete(f"/v1/studies/{study}")).status_code == 204
        gone = await post()
        assert gone.status_code == 404
        assert "patient_name" not in gone.text


class TestDelete:
    async def test_a_hold_prevents_it_and_then_nobody_sees_the_study(
        self, client: httpx.AsyncClient, send: Send
    ) -> None:
        (answer,) = await send([ct_bytes()])
        study = f"/v1/studies/{answer.study_id}"
        await client.patch(study, json={"legal_hold": True})
        assert (await client.delete(study)).status_code == 409
        await client.patch(study, json={"legal_hold": False})
        assert (await client.delete(study)).status_code == 204
        for path in (study, f"{study}/export", f"/v1/instances/{answer.instance_id}"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/v1/studies")).json()["total"] == 0


class TestExport:
    async def test_zip_nifti_and_png(self, client: httpx.AsyncClient, send: Send) -> None:
        objects = ct_series(4)
        answers = await send(objects)
        path = f"/v1/studies/{answers[0].study_id}/export"
        names = {}
        for wanted in ("zip", "nifti", "png"):
            answer = await client.get(path, params={"format": wanted})
            assert answer.status_code == 200
            with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
                assert packed.testzip() is None
                names[wanted] = {n: packed.read(n) for n in packed.namelist()}
        assert sorted(names["zip"].values()) == sorted(objects)
        assert all(d.startswith(b"\x89PNG") for d in names["png"].values())
        assert len(names["png"]) == 4
        (volume,) = names["nifti"].values()
        from gzip import decompress  # noqa: PLC0415

        image = nib.Nifti1Image.from_bytes(decompress(volume))
        assert image.shape == (16, 16, 4)

    async def test_every_export_is_in_the_log_also_right_after_a_look_at_the_pixels(
        self, client: httpx.AsyncClient, send: Send, db: Database, actor: Actor
    ) -> None:
        (answer,) = await send([ct_bytes()])
        assert answer.study_id is not None
        await audit.record_pixels(db, actor, answer.study_id)
        for _ in range(3):
            await client.get(f"/v1/studies/{answer.study_id}/export")
        await audit.flush(db)
        exports = EventFilter(category="export")
        async with db.reading() as session:
            page = await audit.list_events(session, actor, exports)
        assert [(e.action, e.subject) for e in page.items] == [
            ("archive.study_exported", str(answer.study_id))
        ] * 3
        assert page.items[0].patient_id is not None
        assert page.items[0].detail["instances"] == 1

    async def test_a_study_without_images_has_no_nifti(
        self, client: httpx.AsyncClient, send: Send
    ) -> None:
        (answer,) = await send([ct_bytes(study_uid=generate_uid(), size=16)], "healthvision")
        path = f"/v1/studies/{answer.study_id}/export"
        assert (await client.get(path, params={"format": "nifti"})).status_code == 422
        assert (await client.get(path, params={"format": "tiff"})).status_code == 422
