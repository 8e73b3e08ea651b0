# SPDX-License-Identifier: Apache-2.0
"""The grants of the token endpoint through the real door."""

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from healthvision.domains.identity import service
from healthvision.domains.identity.schemas import ClientCreate
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.identity.conftest import ISSUER, PASSWORD, Hospital, bearer, sign_in

VERIFIER = "v" * 20 + "0123456789-._~" + "w" * 20
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
REDIRECT = "http://127.0.0.1:49152/callback"
AUTHORIZE = {
    "response_type": "code",
    "client_id": "healthvision-cli",
    "redirect_uri": REDIRECT,
    "state": 'x"><script>',
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    names = {"&#34;": '"', "&gt;": ">", "&lt;": "<", "&amp;": "&"}
    out = {}
    for name, value in found:
        for coded, plain in names.items():
            value = value.replace(coded, plain)
        out[name] = value
    return out


async def get_code(web: httpx.AsyncClient, email: str, **more: str) -> dict[str, list[str]]:
    page = await web.get("/oauth/authorize", params={**AUTHORIZE, **more})
    assert page.status_code == 200, page.text
    form = {**hidden(page.text), "username": email, "password": PASSWORD, "decision": "allow"}
    answer = await web.post("/oauth/authorize", data=form)
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def exchange(web: httpx.AsyncClient, code: str, **more: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": "healthvision-cli",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **more,
    }
    return await web.post("/oauth/token", data=form)


async def refresh(web: httpx.AsyncClient, token: str) -> httpx.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": "healthvision-cli",
        "refresh_token": token,
    }
    return await web.post("/oauth/token", data=form)


class TestCodeFlow:
    async def test_gives_tokens_and_the_state_back(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        back = await get_code(web, east.reader_email, scope="openid email", nonce="n-1")
        assert back["state"] == ['x"><script>']
        assert back["iss"] == [ISSUER]
        answer = await exchange(web, back["code"][0])
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert {"access_token", "refresh_token", "id_token"} <= answer.json().keys()
        me = await web.get("/v1/me", headers=bearer(answer.json()["access_token"]))
        assert me.json()["user"]["email"] == east.reader_email

    async def test_the_page_escapes_what_it_is_given_and_sends_a_strict_policy(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        page = await web.get("/oauth/authorize", params=AUTHORIZE)
        assert "<script>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "httponly" in page.headers["set-cookie"].lower()

    async def test_a_wrong_verifier_is_refused_and_spends_the_code(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        code = (await get_code(web, east.reader_email))["code"][0]
        wrong = await exchange(web, code, code_verifier="z" * 43)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
        assert (await exchange(web, code)).status_code == 400

    async def test_a_code_used_twice_ends_what_it_gave(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        code = (await get_code(web, east.reader_email))["code"][0]
        tokens = (await exchange(web, code)).json()
        assert (await exchange(web, code)).json()["error"] == "invalid_grant"
        assert (await refresh(web, tokens["refresh_token"])).status_code == 400
        me = await web.get("/v1/me", headers=bearer(tokens["access_token"]))
        assert me.status_code == 401

    async def test_a_wrong_request_goes_back_to_the_client(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        for change, error in (
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": ""}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"scope": "no:such"}, "invalid_scope"),
        ):
            answer = await web.get("/oauth/authorize", params={**AUTHORIZE, **change})
            assert answer.status_code == 302
            assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == [error]

    async def test_an_unregistered_redirect_gets_a_page_and_no_redirect(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        for uri in (
            "https://evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://user@127.0.0.1/callback",
            "http://127.0.0.1/other",
            "http://127.0.0.1:x/callback",
            "http://127.0.0.1/callback#x",
            "",
        ):
            answer = await web.get("/oauth/authorize", params={**AUTHORIZE, "redirect_uri": uri})
            assert answer.status_code == 400, uri
            assert "location" not in answer.headers

    async def test_a_form_from_another_site_is_refused(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        page = await web.get("/oauth/authorize", params=AUTHORIZE)
        form = {**hidden(page.text), "username": east.reader_email, "password": PASSWORD}
        web.cookies.clear()
        answer = await web.post("/oauth/authorize", data={**form, "decision": "allow"})
        assert answer.status_code == 400

    async def test_refusing_tells_the_client(self, web: httpx.AsyncClient, east: Hospital) -> None:
        page = await web.get("/oauth/authorize", params=AUTHORIZE)
        answer = await web.post("/oauth/authorize", data={**hidden(page.text), "decision": "deny"})
        assert "error=access_denied" in answer.headers["location"]

    async def test_somebody_of_two_organisations_chooses(
        self, web: httpx.AsyncClient, east: Hospital, west: Hospital, db: Database
    ) -> None:
        async with db.transaction() as session:
            await service.create_user(
                session,
                Actor.system(west.org_id),
                email=east.reader_email,
                name="x",
                roles=["viewer"],
            )
        page = await web.get("/oauth/authorize", params=AUTHORIZE)
        form = {
            **hidden(page.text),
            "username": east.reader_email,
            "password": PASSWORD,
            "decision": "allow",
        }
        choice = await web.post("/oauth/authorize", data=form)
        assert choice.status_code == 200
        assert PASSWORD not in choice.text
        chosen = {**hidden(choice.text), "org": str(west.org_id), "decision": "allow"}
        answer = await web.post("/oauth/authorize", data=chosen)
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        assert (await exchange(web, code)).json()["org"] == str(west.org_id)
        direct = await web.post(
            "/oauth/token",
            data={
                "grant_type": "password",
                "client_id": "healthvision-cli",
                "username": east.reader_email,
                "password": PASSWORD,
            },
        )
        assert direct.json()["error"] == "invalid_grant"
        named = await sign_in(web, east.reader_email, org="west")
        assert named["org"] == str(west.org_id)


class TestRefresh:
    async def test_rotates(self, web: httpx.AsyncClient, east: Hospital) -> None:
        first = await sign_in(web, east.reader_email)
        second = (await refresh(web, first["refresh_token"])).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert (await refresh(web, second["refresh_token"])).status_code == 200

    async def test_reuse_ends_the_whole_family(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        first = await sign_in(web, east.reader_email)
        second = (await refresh(web, first["refresh_token"])).json()
        assert (await refresh(web, first["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await refresh(web, second["refresh_token"])).status_code == 400
        me = await web.get("/v1/me", headers=bearer(second["access_token"]))
        assert me.status_code == 401

    async def test_another_client_cannot_use_it(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        async with db.transaction() as session:
            other = await service.create_client(
                session,
                Actor.system(east.org_id),
                ClientCreate(name="x", grants=["refresh_token"], public=True),
            )
        first = await sign_in(web, east.reader_email)
        form = {
            "grant_type": "refresh_token",
            "client_id": other.client.client_id,
            "refresh_token": first["refresh_token"],
        }
        assert (await web.post("/oauth/token", data=form)).json()["error"] == "invalid_grant"
        assert (await refresh(web, first["refresh_token"])).status_code == 200


class TestClientCredentials:
    async def test_gives_the_clients_own_rights_only(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        answer = await web.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(east.client_id, east.secret),
        )
        token = bearer(answer.json()["access_token"])
        assert (await web.get("/v1/users", headers=token)).status_code == 200
        refused = await web.post(
            "/v1/users",
            json={"email": "a@b.example", "name": "x", "roles": ["viewer"]},
            headers=token,
        )
        assert refused.status_code == 403

    @pytest.mark.parametrize("secret", ["wrong", ""])
    async def test_a_wrong_secret_is_refused(
        self, web: httpx.AsyncClient, east: Hospital, secret: str
    ) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": east.client_id,
            "client_secret": secret,
        }
        answer = await web.post("/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    async def test_a_disabled_client_loses_its_tokens_at_once(
        self, web: httpx.AsyncClient, east: Hospital, boss: dict[str, str]
    ) -> None:
        form = {"grant_type": "client_credentials"}
        auth = (east.client_id, east.secret)
        token = (await web.post("/oauth/token", data=form, auth=auth)).json()["access_token"]
        assert (await web.get("/v1/users", headers=bearer(token))).status_code == 200
        patch = await web.patch(
            f"/v1/clients/{east.client_id}", json={"disabled": True}, headers=boss
        )
        assert patch.json()["disabled"] is True
        assert (await web.get("/v1/users", headers=bearer(token))).status_code == 401
        assert (await web.post("/oauth/token", data=form, auth=auth)).status_code == 401


class TestPasswordGrant:
    async def test_is_off_by_default(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        settings = IdentitySettings(password_grant=False)
        db.resources.put(IdentitySettings, settings)
        form = {
            "grant_type": "password",
            "client_id": "healthvision-cli",
            "username": east.reader_email,
            "password": PASSWORD,
        }
        answer = await web.post("/oauth/token", data=form)
        assert answer.json()["error"] == "unsupported_grant_type"


class TestDeviceFlow:
    async def test_waits_then_gives_tokens_once(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        start = await web.post(
            "/oauth/device_authorization", data={"client_id": "healthvision-cli"}
        )
        device = start.json()
        poll = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": "healthvision-cli",
            "device_code": device["device_code"],
        }
        waiting = await web.post("/oauth/token", data=poll)
        assert waiting.json()["error"] == "authorization_pending"
        hasty = await web.post("/oauth/token", data=poll)
        assert hasty.json()["error"] == "slow_down"
        page = await web.get("/oauth/device", params={"user_code": device["user_code"]})
        form = {
            **hidden(page.text),
            "user_code": device["user_code"].lower().replace("-", " "),
            "username": east.reader_email,
            "password": PASSWORD,
            "decision": "allow",
        }
        assert (await web.post("/oauth/device", data=form)).status_code == 200
        answer = await web.post("/oauth/token", data=poll)
        assert answer.status_code == 200, answer.text
        again = await web.post("/oauth/token", data=poll)
        assert again.json()["error"] == "invalid_grant"

    async def test_a_refusal_reaches_the_device(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        start = await web.post(
            "/oauth/device_authorization", data={"client_id": "healthvision-cli"}
        )
        device = start.json()
        page = await web.get("/oauth/device", params={"user_code": device["user_code"]})
        form = {
            **hidden(page.text),
            "user_code": device["user_code"],
            "username": east.reader_email,
            "password": PASSWORD,
            "decision": "deny",
        }
        assert (await web.post("/oauth/device", data=form)).status_code == 200
        poll = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": "healthvision-cli",
            "device_code": device["device_code"],
        }
        assert (await web.post("/oauth/token", data=poll)).json()["error"] == "access_denied"

    async def test_a_wrong_code_is_refused(self, web: httpx.AsyncClient, east: Hospital) -> None:
        page = await web.get("/oauth/device", params={"user_code": "BBBB-BBBB"})
        assert page.status_code == 400


class TestRevoke:
    async def test_an_access_token_stops_at_once(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        tokens = await sign_in(web, east.reader_email)
        header = bearer(tokens["access_token"])
        assert (await web.get("/v1/me", headers=header)).status_code == 200
        form = {"client_id": "healthvision-cli", "token": tokens["access_token"]}
        assert (await web.post("/oauth/revoke", data=form)).status_code == 200
        assert (await web.get("/v1/me", headers=header)).status_code == 401

    async def test_a_refresh_token_takes_its_family_along(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        tokens = await sign_in(web, east.reader_email)
        form = {"client_id": "healthvision-cli", "token": tokens["refresh_token"]}
        assert (await web.post("/oauth/revoke", data=form)).status_code == 200
        header = bearer(tokens["access_token"])
        assert (await web.get("/v1/me", headers=header)).status_code == 401

    async def test_an_unknown_token_is_answered_the_same(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        form = {"client_id": "healthvision-cli", "token": "nonsense"}
        assert (await web.post("/oauth/revoke", data=form)).status_code == 200


class TestIntrospect:
    async def test_knows_own_tokens_and_not_those_of_others(
        self, web: httpx.AsyncClient, east: Hospital, west: Hospital
    ) -> None:
        token = (await sign_in(web, east.reader_email))["access_token"]
        own = await web.post(
            "/oauth/introspect", data={"token": token}, auth=(east.client_id, east.secret)
        )
        assert own.json()["active"] is True
        assert own.json()["sub"] == str(east.reader_id)
        foreign = await web.post(
            "/oauth/introspect", data={"token": token}, auth=(west.client_id, west.secret)
        )
        assert foreign.json() == {"active": False}

    async def test_needs_a_secret(self, web: httpx.AsyncClient, east: Hospital) -> None:
        form = {"client_id": "healthvision-cli", "token": "x"}
        assert (await web.post("/oauth/introspect", data=form)).status_code == 401


class TestForm:
    async def test_nonsense_is_a_clear_400(self, web: httpx.AsyncClient, east: Hospital) -> None:
        form = "application/x-www-form-urlencoded"
        for body, kind in (
            (b"grant_type=a&grant_type=b&client_id=x", form),
            (b"{}", "application/json"),
            (b"\xff\xfe", form),
            (b"client_id=%ff&grant_type=a", form),
            (b"client_id=%00&grant_type=a", form),
            (b"", form),
            (b"a=b&" * 60, form),
        ):
            answer = await web.post("/oauth/token", content=body, headers={"content-type": kind})
            found = (answer.status_code, answer.json()["error"])
            assert found == (400, "invalid_request"), body


class TestDiscovery:
    @pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
    async def test_names_the_endpoints(
        self, web: httpx.AsyncClient, east: Hospital, name: str
    ) -> None:
        document = (await web.get(f"/.well-known/{name}")).json()
        assert document["issuer"] == ISSUER
        assert document["code_challenge_methods_supported"] == ["S256"]
        jwks = await web.get(document["jwks_uri"])
        assert jwks.json()["keys"][0]["alg"] == "EdDSA"
