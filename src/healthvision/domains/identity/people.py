# SPDX-License-Identifier: Apache-2.0
"""People: invited, changed, disabled; passwords set and reset. A person is global, rights are not.

An organisation's administrator rules the person's place in this organisation only.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.credentials import Passwords, digest, fold_email, new_secret
from healthvision.domains.identity.errors import (
    AlreadyMember,
    LastAdministrator,
    NoSuchAccount,
    OverGrant,
    SharedAccount,
)
from healthvision.domains.identity.events import UserDisabled, UserInvited
from healthvision.domains.identity.granting import check_roles, check_tier
from healthvision.domains.identity.repository import Place
from healthvision.domains.identity.roles import INSTALLATION_ADMIN, within
from healthvision.domains.identity.schemas import (
    InviteCreate,
    InviteRead,
    MembershipRead,
    MeRead,
    ResetRead,
    UserPatch,
    UserRead,
    UserStatus,
)
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.signin import unlock
from healthvision.domains.identity.state import is_open, permissions_of
from healthvision.domains.identity.tables import Membership, RefreshToken, Ticket, User
from healthvision.kernel import events
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.errors import Invalid
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings


def _status(place: Place) -> UserStatus:
    if place.membership.disabled_at is not None:
        return "disabled"
    return "invited" if place.membership.accepted_at is None else "active"


def read_user(place: Place) -> UserRead:
    """Return a person as this organisation sees it."""
    return UserRead(
        id=place.user.id,
        email=place.user.email,
        name=place.user.name,
        language=place.user.language,
        roles=list(place.membership.roles),
        tier=place.membership.tier,
        status=_status(place),
        created_at=place.membership.created_at,
    )


def _facts(place: Place) -> dict[str, object]:
    member = place.membership
    return {"roles": list(member.roles), "tier": member.tier, "status": _status(place)}


async def place_of(session: Session, actor: Actor, user_id: UUID) -> Place:
    """Return a person's place in the actor's organisation; raises NoSuchAccount."""
    place = await repository.place(session, actor.org_id, user_id)
    if place is None:
        raise NoSuchAccount("there is no such user in this organisation")
    return place


async def create_user(
    session: Session,
    actor: Actor,
    *,
    email: str,
    name: str,
    roles: Sequence[str],
    password: str | None = None,
    tier: str = "standard",
) -> UserRead:
    """Make an active person (command line, demo, tests); routes invite instead.

    A person who exists elsewhere joins with the password he has. Raises AlreadyMember,
    WeakPassword, UnknownPermission, OverGrant.
    """
    check_tier(actor, tier)
    await check_roles(session, actor, actor.org_id, roles)
    user = await _person(session, email, name, "zh")
    if user.password_hash is None and password is not None:
        await _set_password(session, user, password)
    member = await _join(session, actor, user, roles, tier)
    member.accepted_at = now()
    await session.flush()
    place = await place_of(session, actor, user.id)
    await audit.record(
        session, actor, "identity.user_created", user.id, kind="user", after=_facts(place)
    )
    return read_user(place)


async def _person(session: Session, email: str, name: str, language: str) -> User:
    folded = fold_email(email)
    user = await repository.user_by_email(session, folded)
    if user is None:
        user = User(id=new_id(), email=folded, name=name, language=language, created_at=now())
        user.installation_admin = False
        await repository.add(session, user, taken="email: was added a moment ago; try again")
    return user


async def _join(
    session: Session, actor: Actor, user: User, roles: Sequence[str], tier: str
) -> Membership:
    if await repository.place(session, actor.org_id, user.id) is not None:
        raise AlreadyMember("email: this person is a member of the organisation")
    member = Membership(
        id=new_id(), org_id=actor.org_id, user_id=user.id, roles=list(roles), tier=tier
    )
    await repository.add(session, member, taken="email: this person was added a moment ago")
    return member


async def _set_password(session: Session, user: User, password: str) -> None:
    passwords = resources_of(session).get(Passwords)
    passwords.check_policy(password, user.name, user.email.split("@")[0])
    user.password_hash = await passwords.hash(password)
    user.tokens_after = now()
    await unlock(session, user.email)
    for row in await repository.refresh_tokens(session, RefreshToken.user_id == user.id):
        row.revoked_at = now()
    forget_accounts(session)
    await session.flush()


async def _ticket(
    session: Session,
    actor: Actor,
    user: User,
    purpose: Literal["invite", "reset"],
    life: timedelta,
) -> tuple[Ticket, str]:
    token = new_secret()
    row = Ticket(
        id=new_id(),
        org_id=actor.org_id,
        purpose=purpose,
        token_sha256=digest(token),
        user_id=user.id,
        expires_at=now() + life,
    )
    session.add(row)
    await session.flush()
    return row, token


def _url(session: Session, path: str, token: str) -> str:
    return f"{resources_of(session).get(CoreSettings).public_url.rstrip('/')}{path}#{token}"


async def invite(session: Session, actor: Actor, new: InviteCreate) -> InviteRead:
    """Invite a person; the answer is the same whether the address is known elsewhere or not.

    Raises AlreadyMember, UnknownPermission, OverGrant, Invalid.
    """
    await check_roles(session, actor, actor.org_id, new.roles)
    user = await _person(session, new.email, new.name, new.language)
    await _join(session, actor, user, new.roles, "standard")
    life = timedelta(days=resources_of(session).get(IdentitySettings).invite_days)
    row, token = await _ticket(session, actor, user, "invite", life)
    await audit.record(
        session,
        actor,
        "identity.user_invited",
        user.id,
        kind="user",
        after={"roles": list(new.roles)},
    )
    await events.publish(session, actor, UserInvited(org_id=actor.org_id, subject=user.id))
    return InviteRead(
        user_id=user.id,
        token=token,
        url=_url(session, "/invite", token),
        expires_at=row.expires_at,
    )


async def list_users(
    session: Session,
    actor: Actor,
    *,
    cursor: str | None,
    limit: int,
    total: bool = False,
    text: str = "",
    ids: Sequence[UUID] | None = None,
) -> Page[UserRead]:
    """Return the people of the actor's organisation; with a text those it is found in.

    ``ids``: only these people.
    """
    which = repository.chosen(text, ids)
    places = await repository.members(session, actor.org_id, cursor_id(cursor), limit + 1, which)
    more = next_id([p.user for p in places], limit)
    count = await repository.count_members(session, actor.org_id, which) if total else None
    return Page(items=[read_user(p) for p in places[:limit]], next=more, total=count)


async def get_user(session: Session, actor: Actor, user_id: UUID) -> UserRead:
    """Return a person of the actor's organisation; raises NoSuchAccount."""
    return read_user(await place_of(session, actor, user_id))


async def patch_user(session: Session, actor: Actor, user_id: UUID, patch: UserPatch) -> UserRead:
    """Change a person's place. Raises NoSuchAccount, OverGrant, LastAdministrator, Forbidden."""
    place = await place_of(session, actor, user_id)
    before = _facts(place)
    await _require_over(session, actor, place)
    if patch.name is not None or patch.language is not None:
        await _require_only_here(session, actor, place)
        place.user.name = patch.name or place.user.name
        place.user.language = patch.language or place.user.language
    if patch.roles is not None:
        await check_roles(session, actor, actor.org_id, patch.roles)
        place.membership.roles = list(patch.roles)
        await _require_an_admin(session, actor.org_id)
    if patch.tier is not None and patch.tier != place.membership.tier:
        check_tier(actor, patch.tier)
        place.membership.tier = patch.tier
    await session.flush()
    forget_accounts(session)
    await audit.record(
        session,
        actor,
        "identity.user_changed",
        user_id,
        kind="user",
        before=before,
        after=_facts(place),
    )
    return read_user(place)


async def _require_over(session: Session, actor: Actor, place: Place) -> None:
    """Nobody changes an account that has rights which he lacks himself."""
    rights = await permissions_of(session, actor.org_id, place.membership.roles)
    if place.user.installation_admin:
        rights |= {INSTALLATION_ADMIN}
    if not within(actor, rights) and actor.user_id != place.user.id:
        raise OverGrant("this account has rights that you do not hold")


async def _require_only_here(session: Session, actor: Actor, place: Place) -> None:
    """What belongs to the person itself is no matter of one of several organisations."""
    if INSTALLATION_ADMIN in actor.permissions or actor.user_id == place.user.id:
        return
    if len(await repository.places_of(session, place.user.id)) > 1:
        raise SharedAccount("this person belongs to other organisations too and does it alone")


async def _require_an_admin(session: Session, org_id: UUID) -> None:
    await session.flush()
    members = await repository.active_memberships(session, org_id)
    if not any("admin" in m.roles for m in members):
        raise LastAdministrator("the organisation would lose its last administrator")


async def disable_user(session: Session, actor: Actor, user_id: UUID) -> UserRead:
    """End a person's rights in this organisation; other organisations are not touched."""
    place = await place_of(session, actor, user_id)
    await _require_over(session, actor, place)
    if place.membership.disabled_at is not None:
        return read_user(place)
    was_open = is_open(place)
    place.membership.disabled_at = now()
    if was_open and "admin" in place.membership.roles:
        await _require_an_admin(session, actor.org_id)
    table = RefreshToken
    for row in await repository.refresh_tokens(
        session, table.org_id == actor.org_id, table.user_id == user_id
    ):
        row.revoked_at = now()
    await session.flush()
    forget_accounts(session)
    await audit.record(session, actor, "identity.user_disabled", user_id, kind="user")
    await events.publish(session, actor, UserDisabled(org_id=actor.org_id, subject=user_id))
    return read_user(place)


async def enable_user(session: Session, actor: Actor, user_id: UUID) -> UserRead:
    """Give a disabled person the rights back, and lift a lock-out."""
    place = await place_of(session, actor, user_id)
    await _require_over(session, actor, place)
    place.membership.disabled_at = None
    await unlock(session, place.user.email)
    await session.flush()
    forget_accounts(session)
    await audit.record(session, actor, "identity.user_enabled", user_id, kind="user")
    return read_user(place)


async def start_reset(session: Session, actor: Actor, user_id: UUID) -> ResetRead:
    """Make a password reset whose token the administrator hands over.

    Raises NoSuchAccount; OverGrant for an account with more rights; SharedAccount for a person
    of several organisations, since the password opens those too.
    """
    place = await place_of(session, actor, user_id)
    await _require_over(session, actor, place)
    await _require_only_here(session, actor, place)
    if place.membership.accepted_at is None or place.user.password_hash is None:
        raise Invalid("this person did not accept the invitation yet; invite again")
    await repository.withdraw_tickets(session, user_id, now())
    life = timedelta(minutes=resources_of(session).get(IdentitySettings).reset_minutes)
    row, token = await _ticket(session, actor, place.user, "reset", life)
    await audit.record(session, actor, "identity.password_reset_started", user_id, kind="user")
    return ResetRead(
        user_id=user_id,
        token=token,
        url=_url(session, "/reset", token),
        expires_at=row.expires_at,
    )


async def set_password(session: Session, user: User, password: str) -> None:
    """Set a password by the policy, end all sessions of the person and lift a lock-out."""
    await _set_password(session, user, password)


async def me(session: Session, actor: Actor) -> MeRead:
    """Return the caller, its rights and the organisations it may choose."""
    org = await repository.organisation(session, actor.org_id)
    places = await repository.places_of(session, actor.user_id) if actor.user_id else []
    here = next((p for p in places if p.organisation.id == actor.org_id), None)
    return MeRead(
        id=actor.id,
        kind=actor.kind,
        org_id=actor.org_id,
        organisation=org.title,
        user=None if here is None else read_user(here),
        permissions=sorted(actor.permissions),
        tier=actor.tier,
        organisations=[
            MembershipRead(
                org_id=p.organisation.id,
                name=p.organisation.name,
                title=p.organisation.title,
                roles=list(p.membership.roles),
            )
            for p in places
            if is_open(p)
        ],
    )
