# SPDX-License-Identifier: Apache-2.0
"""All SQL of identity; what belongs to an organisation is always filtered by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, and_, delete, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.identity.errors import NameTaken, NoSuchAccount
from healthvision.domains.identity.tables import (
    ApiKey,
    AuthorizationCode,
    DeviceCode,
    Membership,
    OAuthClient,
    Organisation,
    RefreshToken,
    RevokedToken,
    Role,
    SignInFailure,
    SigningKey,
    Team,
    TeamMember,
    Ticket,
    User,
    WebSession,
)
from healthvision.kernel.db import Base, OrgOwned, Session

R = TypeVar("R", bound=OrgOwned)
MAX_WORDS = 8  # of a search text


@dataclass(frozen=True, slots=True)
class Place:
    """A person, the membership and the organisation."""

    user: User
    membership: Membership
    organisation: Organisation


async def add(session: Session, row: Base, *, taken: str = "the name is already used") -> None:
    """Insert a row; the unique constraint decides a race. Raises NameTaken."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise NameTaken(taken) from None


async def get(session: Session, kind: type[R], org_id: UUID, row_id: UUID) -> R:
    """Return a row of the organisation; raises NoSuchAccount."""
    row = await session.scalar(select(kind).where(kind.org_id == org_id, kind.id == row_id))
    if row is None:
        raise NoSuchAccount("there is no such thing in this organisation")
    return row


async def page(
    session: Session, kind: type[R], org_id: UUID, after: UUID | None, limit: int
) -> Sequence[R]:
    """Return up to ``limit`` rows of the organisation after an id, in the order made."""
    query = select(kind).where(kind.org_id == org_id).order_by(kind.id).limit(limit)
    if after is not None:
        query = query.where(kind.id > after)
    return (await session.scalars(query)).all()


async def organisation(session: Session, org_id: UUID) -> Organisation:
    """Return an organisation; raises NoSuchAccount."""
    row = await session.get(Organisation, org_id)
    if row is None:
        raise NoSuchAccount("there is no such organisation")
    return row


async def organisation_by_name(session: Session, name: str) -> Organisation | None:
    """Return an organisation by its short name."""
    return await session.scalar(select(Organisation).where(Organisation.name == name))


async def organisations(session: Session, after: UUID | None, limit: int) -> Sequence[Organisation]:
    """Return organisations in the order made (installation administrator only)."""
    query = select(Organisation).order_by(Organisation.id).limit(limit)
    if after is not None:
        query = query.where(Organisation.id > after)
    return (await session.scalars(query)).all()


async def user_by_email(session: Session, email: str) -> User | None:
    """Return a person by folded address."""
    return await session.scalar(select(User).where(User.email == email))


async def any_user(session: Session) -> bool:
    """Tell whether the installation has a person at all."""
    return await session.scalar(select(User.id).limit(1)) is not None


def _places() -> Select[User, Membership, Organisation]:
    return (
        select(User, Membership, Organisation)
        .join(Membership, Membership.user_id == User.id)
        .join(Organisation, Organisation.id == Membership.org_id)
    )


async def place(session: Session, org_id: UUID, user_id: UUID) -> Place | None:
    """Return a person's place in an organisation, disabled or not."""
    query = _places().where(Membership.org_id == org_id, Membership.user_id == user_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Place(row[0], row[1], row[2])


async def places_of(session: Session, user_id: UUID) -> list[Place]:
    """Return all places of a person, oldest first."""
    query = _places().where(Membership.user_id == user_id).order_by(Membership.id)
    return [Place(row[0], row[1], row[2]) for row in (await session.execute(query)).all()]


def named_like(text: str) -> list[ColumnElement[bool]]:
    """Return conditions: each word is a part of the name or address, in any case."""
    return [_named(word) for word in text.split()[:MAX_WORDS]]


def _named(word: str) -> ColumnElement[bool]:
    low = word.lower()
    # SQLite, and PostgreSQL in the C locale, lower ASCII letters alone
    ascii_low = "".join(c.lower() if c.isascii() else c for c in word)
    others_up = "".join(c if c.isascii() else c.upper() for c in low)
    name = func.lower(User.name)
    spelt = (name.contains(w, autoescape=True) for w in dict.fromkeys((low, ascii_low, others_up)))
    return or_(User.email.contains(word.casefold(), autoescape=True), *spelt)


def chosen(text: str, ids: Sequence[UUID] | None) -> list[ColumnElement[bool]]:
    """Return conditions: a text is found in the person, who has one of some ids."""
    return named_like(text) + ([] if ids is None else [User.id.in_(ids)])


async def members(
    session: Session,
    org_id: UUID,
    after: UUID | None,
    limit: int,
    which: Sequence[ColumnElement[bool]] = (),
) -> list[Place]:
    """Return the people of an organisation by user id, or those that conditions choose."""
    query = _places().where(Membership.org_id == org_id, *which)
    query = query.order_by(User.id).limit(limit)
    if after is not None:
        query = query.where(User.id > after)
    return [Place(row[0], row[1], row[2]) for row in (await session.execute(query)).all()]


async def count_members(
    session: Session, org_id: UUID, which: Sequence[ColumnElement[bool]] = ()
) -> int:
    """Return the number of people of an organisation, or of those that conditions choose."""
    query = select(func.count()).select_from(Membership).join(User, Membership.user_id == User.id)
    query = query.where(Membership.org_id == org_id, *which)
    return int(await session.scalar(query) or 0)


async def active_memberships(session: Session, org_id: UUID) -> Sequence[Membership]:
    """Return memberships that are accepted and not disabled."""
    query = select(Membership).where(
        Membership.org_id == org_id,
        Membership.disabled_at.is_(None),
        Membership.accepted_at.is_not(None),
    )
    return (await session.scalars(query)).all()


async def role_permissions(
    session: Session, org_id: UUID, names: Sequence[str]
) -> dict[str, list[str]]:
    """Return the permissions of the organisation's own roles by name."""
    if not names:
        return {}
    query = select(Role).where(Role.org_id == org_id, Role.name.in_(names))
    return {r.name: r.permissions for r in (await session.scalars(query)).all()}


async def roles(session: Session, org_id: UUID) -> Sequence[Role]:
    """Return the organisation's own roles by name."""
    query = select(Role).where(Role.org_id == org_id).order_by(Role.name)
    return (await session.scalars(query)).all()


async def role_in_use(session: Session, org_id: UUID, name: str) -> bool:
    """Tell whether any membership carries the role."""
    query = select(Membership.roles).where(Membership.org_id == org_id)
    return any(name in found for found in (await session.scalars(query)).all())


async def team_member_ids(session: Session, org_id: UUID, team_id: UUID) -> list[UUID]:
    """Return the people of a team."""
    mine = (TeamMember.org_id == org_id, TeamMember.team_id == team_id)
    query = select(TeamMember.user_id).where(*mine).order_by(TeamMember.user_id)
    return list((await session.scalars(query)).all())


async def remove_from_team(session: Session, org_id: UUID, team_id: UUID, user_id: UUID) -> bool:
    """Take a person out of a team; tells whether the person was in it."""
    gone = delete(TeamMember).where(
        TeamMember.org_id == org_id,
        TeamMember.team_id == team_id,
        TeamMember.user_id == user_id,
    )
    return (await session.scalar(gone.returning(TeamMember.id))) is not None


async def team_named(session: Session, org_id: UUID, name: str) -> bool:
    """Tell whether the organisation has a team of this name."""
    query = select(Team.id).where(Team.org_id == org_id, Team.name == name)
    return await session.scalar(query) is not None


async def delete_team(session: Session, team: Team) -> None:
    """Delete a team and its list of people."""
    mine = (TeamMember.org_id == team.org_id, TeamMember.team_id == team.id)
    await session.execute(delete(TeamMember).where(*mine))
    await session.delete(team)
    await session.flush()


async def key_by_prefix(session: Session, prefix: str) -> tuple[ApiKey, Organisation] | None:
    """Return an API key and its organisation, revoked or not."""
    query = (
        select(ApiKey, Organisation)
        .join(Organisation, Organisation.id == ApiKey.org_id)
        .where(ApiKey.prefix == prefix)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def api_keys(
    session: Session,
    org_id: UUID,
    owner: UUID | None,
    *,
    everything: bool,
    after: UUID | None,
    limit: int,
) -> Sequence[ApiKey]:
    """Return the organisation's keys in the order made: all of them, or those of one person."""
    query = select(ApiKey).where(ApiKey.org_id == org_id).order_by(ApiKey.id).limit(limit)
    if not everything:
        query = query.where(ApiKey.user_id == owner, ApiKey.user_id.is_not(None))
    if after is not None:
        query = query.where(ApiKey.id > after)
    return (await session.scalars(query)).all()


async def client(session: Session, client_id: str) -> OAuthClient | None:
    """Return an OAuth client by its public id."""
    return await session.scalar(select(OAuthClient).where(OAuthClient.client_id == client_id))


async def own_client(session: Session, org_id: UUID, client_id: str) -> OAuthClient:
    """Return a client of the organisation; raises NoSuchAccount."""
    query = select(OAuthClient).where(
        OAuthClient.client_id == client_id, OAuthClient.org_id == org_id
    )
    row = await session.scalar(query)
    if row is None:
        raise NoSuchAccount("there is no such client in this organisation")
    return row


async def clients(
    session: Session, org_id: UUID, after: UUID | None, limit: int
) -> Sequence[OAuthClient]:
    """Return the organisation's clients in the order made."""
    query = select(OAuthClient).where(OAuthClient.org_id == org_id)
    if after is not None:
        query = query.where(OAuthClient.id > after)
    return (await session.scalars(query.order_by(OAuthClient.id).limit(limit))).all()


async def code(session: Session, code_sha256: str) -> AuthorizationCode | None:
    """Return an authorization code, locked for this transaction."""
    mine = AuthorizationCode.code_sha256 == code_sha256
    return await session.scalar(select(AuthorizationCode).where(mine).with_for_update())


async def refresh_token(session: Session, token_sha256: str) -> RefreshToken | None:
    """Return a refresh token, locked for this transaction."""
    mine = RefreshToken.token_sha256 == token_sha256
    return await session.scalar(select(RefreshToken).where(mine).with_for_update())


async def refresh_tokens(session: Session, *where: object) -> Sequence[RefreshToken]:
    """Return refresh tokens that were not revoked yet."""
    query = select(RefreshToken).where(RefreshToken.revoked_at.is_(None), and_(*where))  # type: ignore[arg-type]
    return (await session.scalars(query)).all()


async def device_code(session: Session, *where: object) -> DeviceCode | None:
    """Return a device code, locked for this transaction."""
    return await session.scalar(select(DeviceCode).where(and_(*where)).with_for_update())  # type: ignore[arg-type]


async def is_revoked(session: Session, ids: Sequence[str]) -> bool:
    """Tell whether a token id or its family was called back."""
    query = select(RevokedToken.jti).where(RevokedToken.jti.in_(ids)).limit(1)
    return await session.scalar(query) is not None


async def revoke(session: Session, jti: str, expires_at: datetime) -> None:
    """Call a token id (or 'sid:<family>') back until it would have ended."""
    row = await session.get(RevokedToken, jti)
    if row is None:
        session.add(RevokedToken(jti=jti, expires_at=expires_at))
    else:
        row.expires_at = max(row.expires_at, expires_at)
    await session.flush()


async def web_session(session: Session, token_sha256: str) -> WebSession | None:
    """Return a browser's session by the digest of its cookie."""
    mine = WebSession.token_sha256 == token_sha256
    return await session.scalar(select(WebSession).where(mine))


async def ticket(session: Session, token_sha256: str) -> Ticket | None:
    """Return an invitation or reset, locked for this transaction."""
    return await session.scalar(
        select(Ticket).where(Ticket.token_sha256 == token_sha256).with_for_update()
    )


async def withdraw_tickets(session: Session, user_id: UUID, at: datetime) -> None:
    """Make a person's open resets void."""
    mine = (Ticket.user_id == user_id, Ticket.purpose == "reset", Ticket.used_at.is_(None))
    for row in (await session.scalars(select(Ticket).where(*mine))).all():
        row.used_at = at


async def signing_keys(session: Session) -> Sequence[SigningKey]:
    """Return all signing keys, oldest first."""
    return (await session.scalars(select(SigningKey).order_by(SigningKey.created_at))).all()


async def sweep(session: Session, before: datetime) -> None:
    """Delete what ended before a moment."""
    for table in (AuthorizationCode, RefreshToken, DeviceCode, Ticket, RevokedToken, WebSession):
        await session.execute(delete(table).where(table.expires_at < before))
    await session.execute(delete(SignInFailure).where(SignInFailure.last_at < before))
    await session.execute(delete(SigningKey).where(SigningKey.expires_at < before))
