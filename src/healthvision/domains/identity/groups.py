# SPDX-License-Identifier: Apache-2.0
"""Teams, the organisation's own roles, the catalogue of permissions, signing keys."""

from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import people, repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.credentials import INSTALLATION
from healthvision.domains.identity.errors import NameTaken, NoSuchAccount
from healthvision.domains.identity.granting import (
    check_permissions,
    check_roles,
    require_installation_admin,
)
from healthvision.domains.identity.keyring import Keyring
from healthvision.domains.identity.ports import PermissionCatalogue
from healthvision.domains.identity.roles import BUILT_IN
from healthvision.domains.identity.schemas import (
    KeyRotate,
    PermissionRead,
    RoleCreate,
    RolePatch,
    RoleRead,
    SigningKeyRead,
    TeamCreate,
    TeamPatch,
    TeamRead,
)
from healthvision.domains.identity.tables import Role, Team, TeamMember
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.errors import Conflict
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor


async def _team(session: Session, row: Team) -> TeamRead:
    ids = await repository.team_member_ids(session, row.org_id, row.id)
    return TeamRead(id=row.id, name=row.name, description=row.description, members=ids)


async def create_team(session: Session, actor: Actor, new: TeamCreate) -> TeamRead:
    """Make a team; raises NameTaken."""
    row = Team(id=new_id(), org_id=actor.org_id, name=new.name, description=new.description)
    await repository.add(session, row, taken="name: there is a team of this name")
    await audit.record(session, actor, "identity.team_created", row.id, kind="team")
    return await _team(session, row)


async def list_teams(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[TeamRead]:
    """Return the organisation's teams."""
    rows = await repository.page(session, Team, actor.org_id, cursor_id(cursor), limit + 1)
    items = [await _team(session, row) for row in rows[:limit]]
    return Page(items=items, next=next_id(rows, limit), total=None)


async def get_team(session: Session, actor: Actor, team_id: UUID) -> TeamRead:
    """Return a team; raises NoSuchAccount."""
    return await _team(session, await repository.get(session, Team, actor.org_id, team_id))


async def patch_team(session: Session, actor: Actor, team_id: UUID, patch: TeamPatch) -> TeamRead:
    """Change a team; raises NoSuchAccount, NameTaken."""
    row = await repository.get(session, Team, actor.org_id, team_id)
    if patch.name is not None and patch.name != row.name:
        if await repository.team_named(session, actor.org_id, patch.name):
            raise NameTaken("name: there is a team of this name")
        row.name = patch.name
    if patch.description is not None:
        row.description = patch.description
    await session.flush()
    await audit.record(session, actor, "identity.team_changed", team_id, kind="team")
    return await _team(session, row)


async def delete_team(session: Session, actor: Actor, team_id: UUID) -> None:
    """Delete a team; its people stay."""
    row = await repository.get(session, Team, actor.org_id, team_id)
    await repository.delete_team(session, row)
    await audit.record(session, actor, "identity.team_deleted", team_id, kind="team")


async def join_team(session: Session, actor: Actor, team_id: UUID, user_id: UUID) -> TeamRead:
    """Put a person of the organisation into a team; safe to repeat."""
    row = await repository.get(session, Team, actor.org_id, team_id)
    await people.place_of(session, actor, user_id)
    if user_id not in await repository.team_member_ids(session, actor.org_id, team_id):
        member = TeamMember(id=new_id(), org_id=actor.org_id, team_id=team_id, user_id=user_id)
        await repository.add(session, member, taken="the person was added a moment ago")
        await audit.record(
            session,
            actor,
            "identity.team_joined",
            team_id,
            kind="team",
            detail={"user": str(user_id)},
        )
    return await _team(session, row)


async def leave_team(session: Session, actor: Actor, team_id: UUID, user_id: UUID) -> TeamRead:
    """Take a person out of a team; raises NoSuchAccount when not in it."""
    row = await repository.get(session, Team, actor.org_id, team_id)
    if not await repository.remove_from_team(session, actor.org_id, team_id, user_id):
        raise NoSuchAccount("this person is not in the team")
    await audit.record(
        session, actor, "identity.team_left", team_id, kind="team", detail={"user": str(user_id)}
    )
    return await _team(session, row)


def _role(row: Role) -> RoleRead:
    return RoleRead(
        name=row.name,
        title_en=row.name,
        title_zh=row.name,
        description=row.description,
        permissions=sorted(row.permissions),
        built_in=False,
    )


def _built_in() -> list[RoleRead]:
    return [
        RoleRead(
            name=name,
            title_en=role.title_en,
            title_zh=role.title_zh,
            description="",
            permissions=sorted(role.permissions),
            built_in=True,
        )
        for name, role in BUILT_IN.items()
    ]


async def list_roles(session: Session, actor: Actor) -> Page[RoleRead]:
    """Return the built-in roles and the organisation's own."""
    own = [_role(r) for r in await repository.roles(session, actor.org_id)]
    items = [*_built_in(), *own]
    return Page(items=items, next=None, total=len(items))


async def get_role(session: Session, actor: Actor, name: str) -> RoleRead:
    """Return a role by name; raises NoSuchAccount."""
    for role in _built_in():
        if role.name == name:
            return role
    return _role(await _own_role(session, actor, name))


async def _own_role(session: Session, actor: Actor, name: str) -> Role:
    for row in await repository.roles(session, actor.org_id):
        if row.name == name:
            return row
    raise NoSuchAccount("there is no such role")


async def create_role(session: Session, actor: Actor, new: RoleCreate) -> RoleRead:
    """Make a role. Raises NameTaken, UnknownPermission, OverGrant."""
    if new.name in BUILT_IN:
        raise NameTaken("name: is a built-in role")
    check_permissions(session, actor, new.permissions)
    row = Role(
        id=new_id(),
        org_id=actor.org_id,
        name=new.name,
        description=new.description,
        permissions=sorted(set(new.permissions)),
    )
    await repository.add(session, row, taken="name: there is a role of this name")
    read = _role(row)
    await audit.record(
        session, actor, "identity.role_created", new.name, kind="role", after=read.model_dump()
    )
    return read


async def patch_role(session: Session, actor: Actor, name: str, patch: RolePatch) -> RoleRead:
    """Change an own role; takes effect for its holders within seconds."""
    if name in BUILT_IN:
        raise Conflict("a built-in role cannot be changed")
    row = await _own_role(session, actor, name)
    before = _role(row)
    await check_roles(session, actor, actor.org_id, [name])
    if patch.permissions is not None:
        check_permissions(session, actor, patch.permissions)
        row.permissions = sorted(set(patch.permissions))
    if patch.description is not None:
        row.description = patch.description
    await session.flush()
    forget_accounts(session)
    after = _role(row)
    await audit.record(
        session,
        actor,
        "identity.role_changed",
        name,
        kind="role",
        before=before.model_dump(),
        after=after.model_dump(),
    )
    return after


async def delete_role(session: Session, actor: Actor, name: str) -> None:
    """Delete an own role that nobody carries; raises Conflict otherwise."""
    if name in BUILT_IN:
        raise Conflict("a built-in role cannot be deleted")
    row = await _own_role(session, actor, name)
    if await repository.role_in_use(session, actor.org_id, name):
        raise Conflict("people carry this role; give them another one first")
    await session.delete(row)
    await session.flush()
    await audit.record(session, actor, "identity.role_deleted", name, kind="role")


def list_permissions(session: Session) -> Page[PermissionRead]:
    """Return every permission of this installation with its help."""
    known = resources_of(session).get(PermissionCatalogue).all()
    items = [PermissionRead(name=n, description=d) for n, d in known.items()]
    return Page(items=items, next=None, total=len(items))


async def list_signing_keys(session: Session, actor: Actor) -> Page[SigningKeyRead]:
    """Return the signing keys; installation administrator only."""
    require_installation_admin(actor)
    rows = await repository.signing_keys(session)
    items = [SigningKeyRead.model_validate(r) for r in rows]
    return Page(items=items, next=None, total=len(items))


async def rotate_signing_key(
    session: Session, actor: Actor, rotate: KeyRotate
) -> Page[SigningKeyRead]:
    """Replace the signing key; tokens signed before stay valid to their end."""
    require_installation_admin(actor)
    key = await resources_of(session).get(Keyring).rotate(session, rotate.algorithm)
    forget_accounts(session)
    await audit.record(session, actor, "identity.signing_key_rotated", key.kid, kind="signing_key")
    await audit.record(
        session,
        actor.in_org(INSTALLATION),
        "identity.signing_key_rotated",
        key.kid,
        kind="signing_key",
    )
    return await list_signing_keys(session, actor)
