# SPDX-License-Identifier: Apache-2.0
"""Secrets: made, digested, compared; passwords with argon2id."""

import asyncio
import hashlib
import hmac
import re
import secrets
import unicodedata
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from healthvision.domains.identity.errors import WeakPassword
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.kernel.errors import Invalid

API_KEY = re.compile(r"^hv_([0-9a-z]{12})_([A-Za-z0-9_-]{43})$")
EMAIL = re.compile(r"^[^@\s\x00-\x1f<>\"',;:\\]{1,64}@[^@\s\x00-\x1f<>\"',;:\\]{1,190}$")
INSTALLATION = UUID(int=0)  # stands for 'no organisation' in audit rows
MAX_PASSWORD = 256
MAX_HASHES_AT_ONCE = 4  # bounds the memory that argon2 takes
_USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 section 6.1


def new_secret() -> str:
    """Return 256 random bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def new_prefix() -> str:
    """Return the 12 characters by which people tell keys apart."""
    return secrets.token_hex(6)


def new_user_code() -> str:
    """Return eight letters in two groups that a person types (some 34 bits)."""
    letters = "".join(secrets.choice(_USER_CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def fold_user_code(typed: str) -> str:
    """Return a typed user code in its stored form."""
    letters = re.sub(r"[^A-Z]", "", typed.upper())
    return f"{letters[:4]}-{letters[4:]}"


def digest(secret: str) -> str:
    """Return the stored form of a random secret; for 256 random bits SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same(secret: str, stored: str) -> bool:
    """Compare a secret with its stored digest in constant time."""
    return hmac.compare_digest(digest(secret), stored)


def fold_email(email: str) -> str:
    """Return the stored form of an address; raises Invalid when it is none."""
    folded = unicodedata.normalize("NFKC", email.strip()).casefold()
    if not EMAIL.match(folded):
        raise Invalid("email: not a mail address")
    return folded


class Passwords:
    """Hashes and checks passwords in threads, a few at a time; unknown users cost the same."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._min_length = settings.password_min_length
        self._slots = asyncio.Semaphore(MAX_HASHES_AT_ONCE)
        self._nobody = self._hasher.hash(new_secret())

    def check_policy(self, password: str, *known: str) -> None:
        """Raise WeakPassword for a short, over-long, one-letter or self-named password."""
        if len(password) < self._min_length:
            raise WeakPassword(f"password: at least {self._min_length} characters")
        if len(password) > MAX_PASSWORD:
            raise WeakPassword(f"password: at most {MAX_PASSWORD} characters")
        if len(set(password)) < 5:
            raise WeakPassword("password: at least 5 different characters")
        folded = password.casefold()
        if any(len(word) > 3 and word.casefold() in folded for word in known):
            raise WeakPassword("password: must not hold the account's name or address")

    async def hash(self, password: str) -> str:
        """Return the argon2id hash."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password fits; without a stored hash the same work is done in vain."""
        if len(password) > MAX_PASSWORD:
            password, stored = "", None
        async with self._slots:
            fits = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return fits and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Tell whether the hash was made with other parameters."""
        return self._hasher.check_needs_rehash(stored)
