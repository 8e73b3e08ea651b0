# SPDX-License-Identifier: Apache-2.0
"""Signing keys: made, sealed at rest, rotated, published as a JWK set (RFC 7517)."""

import asyncio
import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import OKPKey, RSAKey
from sqlalchemy import select

from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.tables import SigningKey
from healthvision.kernel import strictjson
from healthvision.kernel.clock import monotonic, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Busy

Algorithm = Literal["EdDSA", "RS256"]
RSA_BITS = 3072
RELOAD_S = 5.0
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class LoadedKey:
    """A key pair in memory; ``private`` is None once it signs nothing any more."""

    kid: str
    algorithm: Algorithm
    public: OKPKey | RSAKey
    private: OKPKey | RSAKey | None
    created_at: datetime
    expires_at: datetime | None


class Keyring:
    """All keys of the installation as this process knows them."""

    def __init__(self, sealing_key: bytes, settings: IdentitySettings) -> None:
        self._box = AESGCM(sealing_key)
        self._settings = settings
        self._keys: dict[str, LoadedKey] = {}
        self._loaded_at: float | None = None

    async def load(self, session: Session) -> None:
        """Read the keys again, unless that was done in the last seconds."""
        if self._loaded_at is not None and monotonic() - self._loaded_at < RELOAD_S:
            return
        rows = (await session.scalars(select(SigningKey))).all()
        self._keys = {row.kid: self._open(row) for row in rows if not _expired(row.expires_at)}
        self._loaded_at = monotonic()

    def forget(self) -> None:
        """Read the keys again at the next use."""
        self._loaded_at = None

    async def find(self, session: Session, kid: str) -> LoadedKey | None:
        """Return a key that may still verify, or None."""
        await self.load(session)
        key = self._keys.get(kid)
        return None if key is None or _expired(key.expires_at) else key

    async def signing(self, session: Session, algorithm: Algorithm | None = None) -> LoadedKey:
        """Return the newest signing key, made or rotated when due; needs a writing session."""
        wanted = algorithm or self._settings.signing_algorithm
        await self.load(session)
        able = [k for k in self._keys.values() if k.algorithm == wanted and k.private is not None]
        if not able:
            return await self.create(session, wanted)
        newest = max(able, key=lambda k: k.created_at)
        if now() - newest.created_at > timedelta(days=self._settings.key_rotation_days):
            return await self.rotate(session, wanted)
        return newest

    async def create(self, session: Session, algorithm: Algorithm) -> LoadedKey:
        """Make a key; it becomes known to the processes once the session is committed."""
        private = await asyncio.to_thread(_generate, algorithm)
        kid = f"{algorithm.lower()}-{secrets.token_hex(8)}"
        public = {str(k): v for k, v in private.as_dict(private=False).items()}
        row = SigningKey(
            kid=kid,
            algorithm=algorithm,
            public_jwk=public,
            private_sealed=self._seal(kid, private.as_dict(private=True)),
            created_at=now(),
        )
        session.add(row)
        await session.flush()
        self.forget()
        return self._open(row)

    async def rotate(self, session: Session, algorithm: Algorithm) -> LoadedKey:
        """Make a new key and retire the old ones; tokens signed before stay valid to their end."""
        retired = SigningKey.retired_at.is_(None) & (SigningKey.algorithm == algorithm)
        grace = timedelta(seconds=self._settings.access_token_s + 2 * RELOAD_S + 3600)
        for row in (await session.scalars(select(SigningKey).where(retired))).all():
            row.retired_at = now()
            row.expires_at = now() + grace
        return await self.create(session, algorithm)

    async def published(self, session: Session) -> list[dict[str, Any]]:
        """Return the public keys for ``/.well-known/jwks.json``."""
        await self.load(session)
        return [
            {**k.public.as_dict(private=False), "kid": k.kid, "alg": k.algorithm, "use": "sig"}
            for k in sorted(self._keys.values(), key=lambda k: k.created_at)
        ]

    def _seal(self, kid: str, private: dict[str, Any]) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._box.encrypt(nonce, strictjson.dumps(private).encode(), kid.encode())
        return base64.b64encode(nonce + sealed).decode()

    def _open(self, row: SigningKey) -> LoadedKey:
        kind = OKPKey if row.algorithm == "EdDSA" else RSAKey
        private: OKPKey | RSAKey | None = None
        if row.retired_at is None:
            raw = base64.b64decode(row.private_sealed)
            try:
                text = self._box.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], row.kid.encode())
            except InvalidTag:
                raise Busy(
                    "the signing keys were sealed with another master key; "
                    "restore the file named by HV_MASTER_KEY_FILE"
                ) from None
            private = kind.import_key(strictjson.loads(text))
        return LoadedKey(
            kid=row.kid,
            algorithm="EdDSA" if row.algorithm == "EdDSA" else "RS256",
            public=kind.import_key(row.public_jwk),
            private=private,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


def _expired(at: datetime | None) -> bool:
    return at is not None and at <= now()


def _generate(algorithm: Algorithm) -> OKPKey | RSAKey:
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519")
    return RSAKey.generate_key(RSA_BITS)


def algorithms() -> Sequence[Algorithm]:
    """Return the algorithms tokens may be signed with."""
    return ("EdDSA", "RS256")
