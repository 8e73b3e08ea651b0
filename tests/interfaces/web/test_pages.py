# SPDX-License-Identifier: Apache-2.0
"""The pages: one document for all addresses, files kept for ever, nothing from outside."""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from healthvision.app.api import create_app
from healthvision.interfaces.web.pages import pages_router
from healthvision.interfaces.web.settings import WebSettings
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """No rooms are needed."""
    return ()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as the build leaves it."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    page = '<html><meta name="hv-nonce" content="__HV_NONCE__"></html>'
    (folder / "index.html").write_text(page)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-1.js").write_text("go()")
    (folder / "assets" / "index-1.js.gz").write_bytes(b"packed")
    (folder / "assets" / "codec-1.wasm").write_bytes(b"\0asm")
    (folder / "stamp.txt").write_text("secret of the build")
    return folder


@pytest.fixture
async def browser(db: Database, built: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that serves the built pages."""
    router = pages_router(built, WebSettings(connect="https://s3.example"))
    app = create_app(db, (), [router], lifespan=None)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


class TestPage:
    @pytest.mark.parametrize("path", ["/", "/analyze", "/viewer/0190-1", "/admin/audit"])
    async def test_every_address_of_the_interface_is_the_same_page(
        self, browser: httpx.AsyncClient, path: str
    ) -> None:
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "hv-nonce" in answer.text

    async def test_the_policy_lets_nothing_in_from_outside(
        self, browser: httpx.AsyncClient
    ) -> None:
        answers = [await browser.get("/") for _ in range(2)]
        policies = [a.headers["content-security-policy"] for a in answers]
        parts = dict(p.split(" ", 1) for p in policies[0].split("; "))
        assert parts["default-src"] == "'none'"
        assert parts["frame-ancestors"] == "'none'"
        assert parts["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert parts["connect-src"].split()[-1] == "https://s3.example"
        nonces = [re.findall(r"'nonce-([^']+)'", p) for p in policies]
        assert nonces[0] != nonces[1]
        assert f'content="{nonces[0][0]}"' in answers[0].text
        assert answers[0].headers["x-content-type-options"] == "nosniff"
        assert answers[0].headers["x-frame-options"] == "DENY"

    async def test_unknown_addresses_stay_problems(self, browser: httpx.AsyncClient) -> None:
        for path in ("/v1/nothing", "/nothing", "/assets/nothing.js", "/assets/../stamp.txt"):
            answer = await browser.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"

    async def test_without_a_build_says_how_to_make_one(self, db: Database, tmp_path: Path) -> None:
        app = create_app(db, (), [pages_router(tmp_path / "none")], lifespan=None)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get("/")
            assert (answer.status_code, "make web" in answer.text) == (503, True)
            assert (await client.get("/docs")).status_code == 200


class TestAssets:
    async def test_are_kept_for_ever_and_sent_packed(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.get("/assets/codec-1.wasm")
        assert answer.headers["content-type"] == "application/wasm"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        plain = await browser.get("/assets/index-1.js", headers={"Accept-Encoding": "identity"})
        assert plain.text == "go()"
        request = browser.build_request("GET", "/assets/index-1.js")
        packed = await browser.send(request, stream=True)
        raw = b"".join([part async for part in packed.aiter_raw()])
        assert (packed.headers["content-encoding"], raw) == ("gzip", b"packed")

    async def test_what_is_no_asset_is_not_served(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.get("/stamp.txt")).status_code == 404
        assert (await browser.get("/favicon.svg")).status_code == 200
