# SPDX-License-Identifier: Apache-2.0
"""What people do before they are signed in, or with their own password; own transactions."""

from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import people, repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.credentials import digest
from healthvision.domains.identity.errors import TicketExpired
from healthvision.domains.identity.schemas import InviteAccept, PasswordChange, PasswordReset
from healthvision.domains.identity.signin import Caller, sign_in
from healthvision.domains.identity.tables import Ticket, User
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Forbidden
from healthvision.kernel.security import Actor


async def _open_ticket(session: Session, token: str, purpose: str) -> Ticket:
    row = await repository.ticket(session, digest(token))
    if row is None or row.purpose != purpose or row.used_at is not None:
        raise TicketExpired("the link was used, withdrawn or never made")
    if row.expires_at <= now():
        raise TicketExpired("the link is too old; ask for a new one")
    place = await repository.place(session, row.org_id, row.user_id)
    if place is None or place.membership.disabled_at is not None:
        raise TicketExpired("the link was used, withdrawn or never made")
    return row


async def accept_invite(db: Database, caller: Caller, answer: InviteAccept) -> UUID:
    """Make an invited membership active; returns the user id.

    A new person sets the password; one with an account elsewhere proves it with the password of
    that account (counted by the lock-out). Raises TicketExpired, WeakPassword, BadCredentials.
    """
    async with db.reading() as session:
        row = await _open_ticket(session, answer.token, "invite")
        user = await session.get_one(User, row.user_id)
        email, known = user.email, user.password_hash is not None
    if known:
        await sign_in(db, email, answer.password, caller)
    async with db.transaction() as session:
        row = await _open_ticket(session, answer.token, "invite")
        user = await session.get_one(User, row.user_id)
        if not known:
            if user.password_hash is not None:
                raise TicketExpired("the account was opened a moment ago; try again")
            await people.set_password(session, user, answer.password)
        place = await repository.place(session, row.org_id, row.user_id)
        assert place is not None
        place.membership.accepted_at = now()
        row.used_at = now()
        forget_accounts(session)
        actor = caller.actor(row.org_id, row.user_id)
        await audit.record(session, actor, "identity.invite_accepted", row.user_id, kind="user")
        return row.user_id


async def complete_reset(db: Database, caller: Caller, answer: PasswordReset) -> UUID:
    """Set a new password by a reset token; ends every session of the person.

    Raises TicketExpired, WeakPassword.
    """
    async with db.transaction() as session:
        row = await _open_ticket(session, answer.token, "reset")
        user = await session.get_one(User, row.user_id)
        await people.set_password(session, user, answer.password)
        row.used_at = now()
        actor = caller.actor(row.org_id, row.user_id)
        await audit.record(session, actor, "identity.password_reset", row.user_id, kind="user")
        return row.user_id


async def change_password(
    db: Database, actor: Actor, caller: Caller, change: PasswordChange
) -> None:
    """Set the caller's own password; ends every other session.

    Raises BadCredentials, LockedOut, WeakPassword; Forbidden for what is no person, or for an
    API key, which must not become more than it is.
    """
    if actor.user_id is None or (actor.session_id or "").startswith("key:"):
        raise Forbidden("only a person who signed in can change the password")
    async with db.reading() as session:
        email = (await session.get_one(User, actor.user_id)).email
    await sign_in(db, email, change.current, caller)
    async with db.transaction() as session:
        user = await session.get_one(User, actor.user_id)
        await people.set_password(session, user, change.new)
        await audit.record(session, actor, "identity.password_changed", actor.user_id, kind="user")
