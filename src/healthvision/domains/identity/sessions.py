# SPDX-License-Identifier: Apache-2.0
"""Sessions of the web interface: made by a password, kept here, carried by a cookie.

The cookie holds a random secret, the database its digest. Who calls with the cookie proves by a
second value (the CSRF token, which only our own page can read) that the call comes from our page.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import people, repository
from healthvision.domains.identity.cache import Grant, forget_accounts
from healthvision.domains.identity.credentials import digest, new_secret
from healthvision.domains.identity.errors import BadCredentials, SessionEnded
from healthvision.domains.identity.schemas import SessionRead, SignIn
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.signin import Caller, sign_in
from healthvision.domains.identity.state import is_open, user_state
from healthvision.domains.identity.tables import WebSession
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.errors import NotFound
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.security import UI_SESSION, Actor

TOUCH_EVERY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; ``token`` goes into the cookie and is kept nowhere."""

    token: str
    read: SessionRead


def csrf_token(key: MasterKey, token: str) -> str:
    """Return the value that the page sends along with the cookie."""
    derived = key.derive(b"identity-web-session")
    return hmac.new(derived, token.encode(), hashlib.sha256).hexdigest()


async def open_session(db: Database, asked: SignIn, caller: Caller) -> Opened:
    """Sign a person in by password; raises BadCredentials and LockedOut as ``sign_in`` does.

    Without a wish the person comes into the oldest open membership.
    """
    user_id = await sign_in(db, asked.email, asked.password, caller)
    token, at = new_secret(), now()
    settings = db.resources.get(IdentitySettings)
    async with db.transaction() as session:
        org_id = await _choose(session, user_id, asked.org)
        row = WebSession(
            id=new_id(),
            org_id=org_id,
            created_at=at,
            token_sha256=digest(token),
            user_id=user_id,
            seen_at=at,
            expires_at=at + timedelta(hours=settings.session_hours),
            ended_at=None,
        )
        session.add(row)
        actor = caller.actor(org_id, user_id)
        detail = {"client": "web"}
        await audit.record(
            session, actor, "identity.signed_in", user_id, kind="user", detail=detail
        )
        return Opened(token, await _read(session, row, token))


async def _choose(session: Session, user_id: UUID, wanted: str) -> UUID:
    orgs = [p.organisation for p in await repository.places_of(session, user_id) if is_open(p)]
    if wanted:
        orgs = [o for o in orgs if wanted in (str(o.id), o.name)]
    if not orgs:
        raise BadCredentials("the address or the password is wrong")
    return orgs[0].id


async def read_session(db: Database, token: str) -> SessionRead | None:
    """Return the running session of a cookie, or None."""
    async with db.reading() as session:
        try:
            row, _grant = await _running(session, token)
        except SessionEnded:
            return None
        return await _read(session, row, token)


async def switch_organisation(
    db: Database, token: str, org_id: UUID, caller: Caller
) -> SessionRead:
    """Go on in another organisation of the person; raises SessionEnded, NotFound."""
    async with db.transaction() as session:
        row, _grant = await _running(session, token)
        if await user_state(session, org_id, row.user_id) is None:
            raise NotFound("there is no such organisation")
        row.org_id, row.seen_at = org_id, now()
        forget_accounts(session)
        actor = caller.actor(org_id, row.user_id)
        await audit.record(
            session, actor, "identity.organisation_switched", row.user_id, kind="user"
        )
        return await _read(session, row, token)


async def close_session(db: Database, token: str, caller: Caller) -> None:
    """Sign out; a session that is over stays so."""
    async with db.transaction() as session:
        row = await repository.web_session(session, digest(token))
        if row is None or row.ended_at is not None:
            return
        row.ended_at = now()
        forget_accounts(session)
        actor = caller.actor(row.org_id, row.user_id)
        await audit.record(session, actor, "identity.signed_out", row.user_id, kind="user")


async def touch(db: Database, token: str) -> None:
    """Note that the person did something."""
    async with db.transaction() as session:
        row = await repository.web_session(session, digest(token))
        if row is not None:
            row.seen_at = max(row.seen_at, now())


async def grant_of(session: Session, token: str) -> tuple[Grant, datetime]:
    """Return what a cookie grants and when the person was last seen; raises SessionEnded."""
    row, grant = await _running(session, token)
    return grant, row.seen_at


async def _running(session: Session, token: str) -> tuple[WebSession, Grant]:
    row, at = await repository.web_session(session, digest(token)), now()
    settings = resources_of(session).get(IdentitySettings)
    if row is None or row.ended_at is not None:
        raise SessionEnded("nobody is signed in")
    idle_at = row.seen_at + timedelta(minutes=settings.session_idle_minutes)
    if min(idle_at, row.expires_at) <= at:
        raise SessionEnded("signed out after a time without use")
    state = await user_state(session, row.org_id, row.user_id)
    if state is None or (state.tokens_after is not None and row.created_at < state.tokens_after):
        raise SessionEnded("the account or its password was changed")
    grant = Grant(
        org_id=row.org_id,
        id=str(row.user_id),
        kind="user",
        permissions=state.permissions,
        user_id=row.user_id,
        tier=state.tier,
        session_id=f"{UI_SESSION}{row.id}",
        expires_at=min(idle_at, row.expires_at),
    )
    return row, grant


async def _read(session: Session, row: WebSession, token: str) -> SessionRead:
    resources = resources_of(session)
    state = await user_state(session, row.org_id, row.user_id)
    if state is None:
        raise SessionEnded("the account or its password was changed")
    actor = Actor(
        org_id=row.org_id,
        id=str(row.user_id),
        kind="user",
        permissions=state.permissions,
        user_id=row.user_id,
        tier=state.tier,
    )
    return SessionRead(
        me=await people.me(session, actor),
        csrf_token=csrf_token(resources.get(MasterKey), token),
        started_at=row.created_at,
        expires_at=row.expires_at,
        idle_seconds=resources.get(IdentitySettings).session_idle_minutes * 60,
    )
