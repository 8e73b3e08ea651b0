# SPDX-License-Identifier: Apache-2.0
"""Access tokens as JWT (RFC 9068): signed and, above all, refused."""

import binascii
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from healthvision.domains.identity.errors import BadToken
from healthvision.domains.identity.keyring import Keyring, LoadedKey
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.kernel import strictjson
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Problem

MAX_TOKEN = 16_384  # characters
TYPE = "at+jwt"
_REFUSED_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "zip", "b64"})


class _Registry(JWSRegistry):
    """Our two algorithms; joserfc warns of the name 'EdDSA' (RFC 9864), gateways need it."""

    def get_alg(self, name: str) -> Any:
        if name not in ("EdDSA", "RS256"):
            raise JoseError("algorithm not allowed")
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=["EdDSA", "RS256"])
_REGISTRY.max_payload_length = MAX_TOKEN


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token speaks for."""

    org_id: UUID
    sub: str  # user id, or client id of a program
    user_id: UUID | None
    client_id: str
    permissions: frozenset[str]
    roles: tuple[str, ...]
    scope: str
    tier: str
    family: UUID | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified access token."""

    jti: str
    sub: str
    org_id: UUID
    user_id: UUID | None
    client_id: str
    permissions: frozenset[str]
    scope: str
    tier: str
    family: str | None
    issued_at: datetime
    expires_at: datetime


def sign(key: LoadedKey, claims: dict[str, Any], *, kind: str = "JWT") -> str:
    """Sign claims with a key of ours; the header carries ``kid`` and ``typ``."""
    assert key.private is not None
    header = {"alg": key.algorithm, "kid": key.kid, "typ": kind}
    return jwt.encode(header, claims, key.private, registry=_REGISTRY)


def access_claims(subject: Subject, issuer: str, settings: IdentitySettings) -> dict[str, Any]:
    """Return the claims of a new access token."""
    issued = now()
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": settings.audience,
        "sub": subject.sub,
        "iat": int(issued.timestamp()),
        "exp": int((issued + timedelta(seconds=settings.access_token_s)).timestamp()),
        "jti": uuid4().hex,
        "made_us": int(issued.timestamp() * 1_000_000),
        "org": str(subject.org_id),
        "client_id": subject.client_id,
        "roles": list(subject.roles),
        "perms": sorted(subject.permissions),
        "scope": subject.scope,
        "tier": subject.tier,
        "kind": "user" if subject.user_id else "service",
    }
    if subject.family is not None:
        claims["sid"] = str(subject.family)
    return claims


def peek(token: str) -> tuple[str, str]:
    """Return (kid, alg) of an unverified token; raises BadToken for anything odd."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3 or not token.isascii():
        raise BadToken("the token is not valid")
    try:
        header = strictjson.loads(urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ValueError, Problem):
        raise BadToken("the token is not valid") from None
    if not isinstance(header, dict) or not _REFUSED_HEADERS.isdisjoint(header):
        raise BadToken("the token is not valid")
    kid, alg = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not isinstance(alg, str) or header.get("typ") != TYPE:
        raise BadToken("the token is not valid")
    return kid, alg


async def verify(
    session: Session, keyring: Keyring, token: str, *, issuer: str, settings: IdentitySettings
) -> Claims:
    """Return the claims of a valid access token; raises BadToken (401) for every other one.

    Refused: alg none, an algorithm that is not the key's own (HMAC with the public key), unknown
    kid, wrong signature, iss, aud or typ, and a missing or passed exp. Call-back lists and
    account states are the caller's matter.
    """
    kid, alg = peek(token)
    key = await keyring.find(session, kid)
    if key is None or key.algorithm != alg:
        raise BadToken("the token is not valid")
    try:
        claims = jwt.decode(token, key.public, registry=_REGISTRY).claims
        return _checked(claims, issuer, settings)
    except (JoseError, ValueError, KeyError, TypeError, OverflowError):
        raise BadToken("the token is not valid") from None


def _checked(claims: dict[str, Any], issuer: str, settings: IdentitySettings) -> Claims:
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims["iss"] != issuer or settings.audience not in audience:
        raise BadToken("the token is not valid")
    at, leeway = now(), timedelta(seconds=settings.clock_leeway_s)
    expires, issued = _instant(claims["exp"]), _instant(claims["iat"])
    if expires <= at or issued > at + leeway:
        raise BadToken("the token is not valid")
    if "nbf" in claims and _instant(claims["nbf"]) > at + leeway:
        raise BadToken("the token is not valid")
    return Claims(
        jti=str(claims["jti"]),
        sub=str(claims["sub"]),
        org_id=UUID(claims["org"]),
        user_id=UUID(claims["sub"]) if claims["kind"] == "user" else None,
        client_id=str(claims["client_id"]),
        permissions=frozenset(str(p) for p in claims["perms"]),
        scope=str(claims["scope"]),
        tier=str(claims["tier"]),
        family=claims.get("sid"),
        issued_at=_instant(claims["made_us"] / 1_000_000),
        expires_at=expires,
    )


def _instant(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number of seconds")
    return datetime.fromtimestamp(value, UTC)
