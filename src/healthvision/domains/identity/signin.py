# SPDX-License-Identifier: Apache-2.0
"""Password sign-in with lock-out; known and unknown names get the same answers and time."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import repository
from healthvision.domains.identity.credentials import INSTALLATION, Passwords, fold_email
from healthvision.domains.identity.errors import BadCredentials, LockedOut
from healthvision.domains.identity.events import AccountLocked
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.tables import SignInFailure, User
from healthvision.kernel import events
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Invalid
from healthvision.kernel.security import Actor

FORGET_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where an unauthenticated request comes from, for limits and audit."""

    address: str | None
    request_id: str | None
    trace_id: str | None

    def actor(self, org_id: UUID = INSTALLATION, user_id: UUID | None = None) -> Actor:
        """Return the actor for audit rows: the account when it is known, else nobody."""
        return Actor(
            org_id=org_id,
            id=str(user_id) if user_id else f"address:{self.address or 'unknown'}",
            kind="user" if user_id else "service",
            user_id=user_id,
            address=self.address,
            request_id=self.request_id,
            trace_id=self.trace_id,
        )


@dataclass(frozen=True, slots=True)
class _Attempt:
    key: str
    count: int
    user_id: UUID | None
    password_hash: str | None


async def sign_in(db: Database, email: str, password: str, caller: Caller) -> UUID:
    """Return the id of the person; every failure is counted and audited in its own transaction.

    Raises BadCredentials, and LockedOut after ``lockout_failures`` failures in a row: at first
    for ``lockout_s`` seconds, doubled with each further failure. The attempt is counted before
    the password is checked, so parallel guesses do not slip through.
    """
    settings = db.resources.get(IdentitySettings)
    passwords = db.resources.get(Passwords)
    try:
        attempt = await _count(db, settings, email)
    except LockedOut:
        await _refused(db, email, caller, "identity.sign_in_while_locked")
        raise
    good = await passwords.verify(attempt.password_hash, password)
    if not good or attempt.user_id is None:
        locked = attempt.count >= settings.lockout_failures
        await _refused(
            db, email, caller, "identity.account_locked" if locked else "identity.sign_in"
        )
        raise BadCredentials("the address or the password is wrong")
    renewed = None
    if attempt.password_hash and passwords.outdated(attempt.password_hash):
        renewed = await passwords.hash(password)
    async with db.transaction() as session:
        await session.execute(delete(SignInFailure).where(SignInFailure.key == attempt.key))
        user = await session.get_one(User, attempt.user_id)
        if renewed is not None and user.password_hash == attempt.password_hash:
            user.password_hash = renewed
    return attempt.user_id


async def _count(db: Database, settings: IdentitySettings, email: str) -> _Attempt:
    key, at = _key(email), now()
    async with db.transaction() as session:
        insert = sqlite.insert if db.is_sqlite else postgresql.insert
        new = insert(SignInFailure).values(key=key, count=0, last_at=at, locked_until=None)
        await session.execute(new.on_conflict_do_nothing())
        mine = select(SignInFailure).where(SignInFailure.key == key).with_for_update()
        row = (await session.scalars(mine)).one()
        if row.locked_until is not None and row.locked_until > at:
            raise _locked((row.locked_until - at).total_seconds())
        row.count = 1 if at - row.last_at > FORGET_AFTER else row.count + 1
        row.last_at = at
        over = row.count - settings.lockout_failures
        if over >= 0:
            seconds = min(settings.lockout_s * 2 ** min(over, 20), settings.lockout_max_s)
            row.locked_until = at + timedelta(seconds=seconds)
        user = await _find(session, email)
        return _Attempt(
            key=key,
            count=row.count,
            user_id=user.id if user else None,
            password_hash=user.password_hash if user else None,
        )


async def _find(session: Session, email: str) -> User | None:
    try:
        return await repository.user_by_email(session, fold_email(email))
    except Invalid:
        return None


def _key(email: str) -> str:
    return hashlib.sha256(email.strip().casefold().encode()).hexdigest()


def _locked(seconds: float) -> LockedOut:
    return LockedOut("too many failed sign-ins; try again later", retry_after=seconds)


async def _refused(db: Database, email: str, caller: Caller, action: str) -> None:
    """Audit a refusal in each organisation the person belongs to, so its auditor sees it."""
    async with db.transaction() as session:
        user = await _find(session, email)
        places = await repository.places_of(session, user.id) if user else []
        for org_id in [p.organisation.id for p in places] or [INSTALLATION]:
            actor = caller.actor(org_id)
            subject = user.id if user else None
            await audit.record(session, actor, action, subject, kind="user", outcome="refused")
            if user is not None and action == "identity.account_locked":
                await events.publish(session, actor, AccountLocked(org_id=org_id, subject=user.id))


async def unlock(session: Session, email: str) -> None:
    """Forget a person's failed sign-ins."""
    await session.execute(delete(SignInFailure).where(SignInFailure.key == _key(email)))
