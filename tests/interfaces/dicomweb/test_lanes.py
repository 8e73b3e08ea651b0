# SPDX-License-Identifier: Apache-2.0
"""The short way to hot routes answers as the routes themselves would."""

import httpx
import pytest
from tests.factories.dicom import ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow
from tests.support.auth import HEADER

from healthvision.interfaces.dicomweb.routes import LANES


class TestLanes:
    def test_hold_the_routes_that_viewers_call(self) -> None:
        ends = {lane.path.rsplit("/", 1)[-1] for lane in LANES}
        assert {"studies", "series", "instances", "metadata", "{frames}", "rendered"} <= ends

    @pytest.mark.parametrize("path", ["/studies/" + "1" * 65, "/studies/" + "1" * 65 + "/series"])
    async def test_leave_over_long_texts_to_the_route(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        answer = await client.get(ROOT + path)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:healthvision:problem:invalid-fields"

    async def test_leave_other_methods_to_the_route(self, client: httpx.AsyncClient) -> None:
        assert (await client.put(ROOT + "/studies")).status_code == 405

    def test_hold_the_routes_that_modalities_call(self) -> None:
        stores = {lane.path for lane in LANES if lane.method == "POST"}
        assert stores == {"/dicomweb/{space}/studies", "/dicomweb/{space}/studies/{study}"}

    async def test_store_and_refuse_as_the_routes_do(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        assert (await stow(ct_series(1, size=16))).status_code == 200
        refused = await stow(ct_series(1, size=16), "/studies/1.2.3")
        assert refused.status_code == 409
        too_long = await stow(ct_series(1, size=16), "/studies/" + "1" * 65)
        assert too_long.json()["type"] == "urn:healthvision:problem:invalid-fields"
        unknown = await client.post("/dicomweb/nowhere/studies", content=b"")
        assert unknown.status_code == 404
        other_media = await client.post(ROOT + "/studies", content=b"x")
        assert other_media.status_code == 415
        assert other_media.headers["content-type"] == "application/problem+json"

    async def test_give_problems_and_ids(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            ROOT + "/studies/1.2.3/metadata", headers={"x-request-id": "a" * 9}
        )
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == "a" * 9

    async def test_show_a_study_to_its_organisation_only(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        stored = await stow(ct_series(2, size=16))
        assert stored.status_code == 200
        (study,) = (await client.get(ROOT + "/studies")).json()
        path = f"{ROOT}/studies/{study['0020000D']['Value'][0]}/metadata"
        assert (await client.get(path)).status_code == 200
        stranger = await client.get(path, headers={HEADER: "stranger"})
        assert stranger.status_code == 404
