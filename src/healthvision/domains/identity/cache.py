# SPDX-License-Identifier: Apache-2.0
"""What a process remembers of accounts for a few seconds, so that hot routes ask no database."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from healthvision.kernel.clock import monotonic, now
from healthvision.kernel.db import Session, after_commit, resources_of
from healthvision.kernel.security import ActorKind

MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """A checked credential: everything of an Actor but the request's own data."""

    org_id: UUID
    id: str
    kind: ActorKind
    permissions: frozenset[str]
    user_id: UUID | None
    tier: str
    session_id: str | None
    expires_at: datetime | None


class AccountCache:
    """Digest of a credential -> Grant, for ``seconds``; refusals are never remembered."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: OrderedDict[str, tuple[float, Grant]] = OrderedDict()
        self.generation = 0

    def get(self, key: str) -> Grant | None:
        """Return what is remembered and still holds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, grant = entry
        if monotonic() >= until or (grant.expires_at is not None and grant.expires_at <= now()):
            del self._entries[key]
            return None
        return grant

    def put(self, key: str, grant: Grant, generation: int) -> None:
        """Remember, unless accounts changed since ``generation`` was read."""
        if self._seconds <= 0 or generation != self.generation:
            return
        self._entries[key] = (monotonic() + self._seconds, grant)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self.generation += 1
        self._entries.clear()


def forget_accounts(session: Session) -> None:
    """Make this process forget once the change is committed; others do within ``cache_s``."""
    resources = resources_of(session)
    if not resources.has(AccountCache):
        return
    cache = resources.get(AccountCache)

    async def clear() -> None:
        cache.clear()

    after_commit(session, clear)
