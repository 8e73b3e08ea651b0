# SPDX-License-Identifier: Apache-2.0
"""Hostile tokens (each must be a 401), rotation of keys."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OKPKey

from healthvision.domains.identity.keyring import Keyring, LoadedKey
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.tokens import TYPE, sign
from healthvision.kernel.db import Database
from tests.domains.identity.conftest import Hospital, bearer, sign_in


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def alg_none(token: str, key: LoadedKey) -> str:
    header = b64(json.dumps({"alg": "none", "typ": TYPE, "kid": key.kid}).encode())
    return f"{header}.{token.split('.')[1]}."


def hmac_with_public_key(token: str, key: LoadedKey) -> str:
    header = b64(json.dumps({"alg": "HS256", "typ": TYPE, "kid": key.kid}).encode())
    assert isinstance(key.public, OKPKey)
    secret = key.public.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{header}.{token.split('.')[1]}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def changed(**changes: Any) -> Callable[[str, LoadedKey], str]:
    def make(token: str, key: LoadedKey) -> str:
        claims = {**claims_of(token), **changes}
        return sign(key, {k: v for k, v in claims.items() if v is not None}, kind=TYPE)

    return make


def bit_flip(token: str, _key: LoadedKey) -> str:
    head, body, mark = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(mark + "=="))
    raw[7] ^= 1
    return f"{head}.{body}.{b64(bytes(raw))}"


def path_as_kid(token: str, key: LoadedKey) -> str:
    header = {"alg": "EdDSA", "typ": TYPE, "kid": "../../../../dev/null"}
    return f"{b64(json.dumps(header).encode())}.{token.split('.', 1)[1]}"


def own_key_in_header(token: str, key: LoadedKey) -> str:
    mine = OKPKey.generate_key("Ed25519")
    fake = LoadedKey(key.kid, "EdDSA", mine, mine, key.created_at, None)
    forged = sign(fake, claims_of(token), kind=TYPE)
    header = {"alg": "EdDSA", "typ": TYPE, "kid": key.kid, "jwk": mine.as_dict(private=False)}
    return f"{b64(json.dumps(header).encode())}.{forged.split('.', 1)[1]}"


def other_type(token: str, key: LoadedKey) -> str:
    return sign(key, claims_of(token), kind="JWT")


HOSTILE = {
    "alg none": alg_none,
    "HS256 with the public key": hmac_with_public_key,
    "expired": changed(exp=1_600_000_000),
    "wrong iss": changed(iss="https://evil.example"),
    "wrong aud": changed(aud="somebody-else"),
    "bit flip": bit_flip,
    "no exp": changed(exp=None),
    "kid is a path": path_as_kid,
    "exp is a text": changed(exp="9999999999"),
    "exp is beyond all dates": changed(exp=1e300),
    "key inside the header": own_key_in_header,
    "ID token as access token": other_type,
    "made in the future": changed(iat=9_999_999_000, exp=9_999_999_999),
    "no organisation": changed(org=None),
    "organisation of somebody else": changed(org="00000000-0000-7000-8000-000000000001"),
}


class TestVerify:
    async def test_refuses_every_hostile_token(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        good = (await sign_in(web, east.admin_email))["access_token"]
        async with db.transaction() as session:
            key = await db.resources.get(Keyring).signing(session)
        for name, make in HOSTILE.items():
            answer = await web.get("/v1/me", headers=bearer(make(good, key)))
            assert answer.status_code == 401, name
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await web.get("/v1/me", headers=bearer(good))).status_code == 200

    async def test_an_unchanged_token_signed_again_is_accepted(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        good = (await sign_in(web, east.admin_email))["access_token"]
        async with db.transaction() as session:
            key = await db.resources.get(Keyring).signing(session)
        again = sign(key, claims_of(good), kind=TYPE)
        assert (await web.get("/v1/me", headers=bearer(again))).status_code == 200

    async def test_refuses_nonsense(self, web: httpx.AsyncClient, east: Hospital) -> None:
        for header in ("", "Bearer", "Basic eDp5", "Bearer a.b", "Bearer ..", "Bearer \x7f.x.y"):
            answer = await web.get("/v1/me", headers={"Authorization": header})
            assert answer.status_code == 401, header
            assert answer.headers["content-type"] == "application/problem+json"


class TestRotate:
    async def test_old_tokens_stay_valid_and_new_ones_use_the_new_key(
        self, web: httpx.AsyncClient, east: Hospital, boss: dict[str, str]
    ) -> None:
        before = (await web.get("/.well-known/jwks.json")).json()["keys"]
        rotated = await web.post("/v1/signing-keys/rotate", json={}, headers=boss)
        assert rotated.status_code == 201, rotated.text
        after = (await web.get("/.well-known/jwks.json")).json()["keys"]
        assert {k["kid"] for k in before} < {k["kid"] for k in after}
        assert all("d" not in k for k in after)
        assert (await web.get("/v1/me", headers=boss)).status_code == 200
        new = (await sign_in(web, east.admin_email))["access_token"]
        kid = json.loads(base64.urlsafe_b64decode(new.split(".")[0] + "=="))["kid"]
        assert kid not in {k["kid"] for k in before}

    async def test_tokens_of_both_algorithms_are_valid(
        self, web: httpx.AsyncClient, east: Hospital, db: Database
    ) -> None:
        good = (await sign_in(web, east.admin_email))["access_token"]
        async with db.transaction() as session:
            key = await db.resources.get(Keyring).signing(session, "RS256")
        answer = await web.get("/v1/me", headers=bearer(sign(key, claims_of(good), kind=TYPE)))
        assert answer.status_code == 200

    async def test_only_the_installation_administrator_may(
        self, web: httpx.AsyncClient, neighbour: dict[str, str]
    ) -> None:
        answer = await web.post("/v1/signing-keys/rotate", json={}, headers=neighbour)
        assert answer.status_code == 403


class TestRemembering:
    def test_a_revoked_key_stops_in_all_processes_within_a_second(self) -> None:
        assert IdentitySettings().cache_s <= 1.0
