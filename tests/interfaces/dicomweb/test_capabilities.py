# SPDX-License-Identifier: Apache-2.0
"""The capabilities tell what the router has, no more and no less."""

from xml.etree.ElementTree import fromstring

import httpx
import pytest
from fastapi import FastAPI
from tests.interfaces.dicomweb.conftest import ROOT
from tests.support.http_app import application

from healthvision.app.modules import DOORS
from healthvision.domains.spaces.service import ensure_default
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor

WADL = "application/vnd.sun.wadl+xml"
_N = "{http://wadl.dev.java.net/2009/02}"


@pytest.fixture
async def app(db: Database, modules: list[Module], actor: Actor, stranger: Actor) -> FastAPI:
    async with db.transaction() as session:
        await ensure_default(session, actor)
    return application(db, modules, DOORS)


class TestCapabilities:
    async def test_lists_every_route_with_its_methods(
        self, app: FastAPI, client: httpx.AsyncClient
    ) -> None:
        told = (await client.get(ROOT, headers={"Accept": "application/json"})).json()
        listed = {(p, m.lower()) for p, methods in told["resources"].items() for m in methods}
        paths = app.openapi()["paths"]
        prefix = "/dicomweb/{space}"
        routed = {
            (path[len(prefix) :] or "/", method)
            for path, methods in paths.items()
            if path.startswith(prefix)
            for method in methods
        }
        assert listed == routed
        for expected in [
            ("/studies", "get"),
            ("/studies", "post"),
            ("/workitems", "post"),
            ("/workitems/{workitem}/state", "put"),
        ]:
            assert expected in listed
        assert "fuzzymatching" in told["resources"]["/studies"]["GET"]["parameters"]

    async def test_wadl_is_the_same_and_the_default(self, client: httpx.AsyncClient) -> None:
        answer = await client.options(ROOT)
        assert answer.headers["content-type"].startswith(WADL)
        tree = fromstring(answer.content)
        names = {m.get("id") for m in tree.iter(f"{_N}method")}
        assert {"search_studies", "create_workitem", "retrieve_frames"} <= names
        media = {r.get("mediaType") for r in tree.iter(f"{_N}representation")}
        assert "application/dicom+json" in media

    async def test_others_get_nothing(self, client: httpx.AsyncClient) -> None:
        headers = {"x-test-actor": "stranger"}
        assert (await client.get(ROOT, headers=headers)).status_code == 404
        refused = await client.get(ROOT, headers={"Accept": "image/png"})
        assert refused.status_code == 406
