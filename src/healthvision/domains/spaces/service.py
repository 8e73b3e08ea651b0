# SPDX-License-Identifier: Apache-2.0
"""Spaces: who may do what in which part of an organisation's data, and its policies.

A right in an open space follows from the organisation's permissions (read: ``studies:read``,
write: ``studies:write``, manage: ``spaces:manage``) or from a grant; in a restricted space only
from a grant. Whoever holds ``spaces:manage`` manages every space, which shows in the audit log.
A higher right holds the lower ones.
"""

from collections.abc import Collection, Iterable
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import Connection, Row

from healthvision.domains.audit import service as audit
from healthvision.domains.identity.events import OrganisationCreated
from healthvision.domains.spaces import repository
from healthvision.domains.spaces.errors import SpaceInUse, SpaceNotFound
from healthvision.domains.spaces.events import SpaceCreated, SpaceRemoved
from healthvision.domains.spaces.schemas import (
    GrantCreate,
    GrantRead,
    Right,
    SpaceChange,
    SpaceCreate,
    SpaceRead,
)
from healthvision.domains.spaces.tables import Space, SpaceGrant
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Forbidden, NotFound
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor

DEFAULT = "default"
RIGHTS: tuple[Right, ...] = get_args(Right)
_PERMISSION: dict[str, str] = {
    "read": "studies:read",
    "write": "studies:write",
    "manage": "spaces:manage",
}


async def get(
    session: Session, actor: Actor, slug_or_id: UUID | str, right: Right = "read"
) -> SpaceRead:
    """Return a space in which the actor holds the right.

    Raises SpaceNotFound for strangers, and in a restricted space for those without any right
    there; Forbidden for the organisation's own people who lack the right.
    """
    return SpaceRead.model_validate(await _row(session, actor, slug_or_id, right))


async def _row(session: Session, actor: Actor, slug_or_id: UUID | str, right: Right) -> Space:
    row = await repository.find(session, actor.org_id, slug_or_id)
    if row is None:
        raise SpaceNotFound("there is no such space")
    _check(actor, row, await repository.grants(session, actor.org_id, row.id), right)
    return row


def get_on(
    connection: Connection, actor: Actor, slug_or_id: UUID | str, right: Right = "read"
) -> SpaceRead:
    """Do what ``get`` does on a sync connection."""
    row = repository.row_on(connection, actor.org_id, slug_or_id)
    if row is None:
        raise SpaceNotFound("there is no such space")
    _check(actor, row, repository.grants_on(connection, actor.org_id, [row.id]), right)
    return SpaceRead.model_validate(row)


def _check(
    actor: Actor, row: Space | Row[Any], grants: Iterable[SpaceGrant | Row[Any]], right: Right
) -> None:
    held = _rights(actor, row, grants)
    if row.restricted and not held:
        raise SpaceNotFound("there is no such space")
    if right not in held:
        raise Forbidden(f"this needs the right {right} in the space", right=right)


def _rights(
    actor: Actor, space: Space | Row[Any], grants: Iterable[SpaceGrant | Row[Any]]
) -> frozenset[str]:
    held = {g.right for g in grants if g.space_id == space.id and _is_for(g, actor)}
    if actor.can("spaces:manage"):
        held.add("manage")
    if not space.restricted:
        held |= {r for r, permission in _PERMISSION.items() if actor.can(permission)}
    if "manage" in held:
        held |= {"write", "read"}
    return frozenset(held)


def _is_for(grant: SpaceGrant | Row[Any], actor: Actor) -> bool:
    if grant.kind == "user":
        return bool(grant.principal == str(actor.user_id))
    if grant.kind == "account":
        return bool(grant.principal == actor.id)
    return actor.can(grant.principal)


async def visible(session: Session, actor: Actor, right: Right = "read") -> list[SpaceRead]:
    """Return the spaces in which the actor holds the right, oldest first."""
    grants = await repository.all_grants(session, actor.org_id)
    rows = await repository.all_of(session, actor.org_id)
    return [SpaceRead.model_validate(r) for r in rows if right in _rights(actor, r, grants)]


async def policies(session: Session, org_id: UUID) -> dict[UUID, SpaceRead]:
    """Return all spaces of an organisation by id; for the archive's own work, without rights."""
    rows = await repository.all_of(session, org_id)
    return {row.id: SpaceRead.model_validate(row) for row in rows}


def policies_on(
    connection: Connection, org_id: UUID, space_ids: Collection[UUID]
) -> dict[UUID, SpaceRead]:
    """Return spaces by id on a bulk writer's connection; for its own work, without rights."""
    found = repository.rows_on(connection, org_id, space_ids)
    return {row.id: SpaceRead.model_validate(row) for row in found}


def may_write_on(connection: Connection, actor: Actor, space_ids: Collection[UUID]) -> bool:
    """Tell whether the actor holds the right to write in any of these spaces."""
    grants = repository.grants_on(connection, actor.org_id, space_ids)
    found = repository.rows_on(connection, actor.org_id, space_ids)
    return any("write" in _rights(actor, row, grants) for row in found)


async def create(session: Session, actor: Actor, new: SpaceCreate) -> SpaceRead:
    """Make a space; raises SpaceExists."""
    row = Space(org_id=actor.org_id, **new.model_dump())
    await repository.add(session, row)
    await audit.record(
        session, actor, "spaces.space_created", row.id, kind="space", after=new.model_dump()
    )
    await publish(session, actor, SpaceCreated(org_id=actor.org_id, subject=row.id))
    return SpaceRead.model_validate(row)


async def change(
    session: Session, actor: Actor, slug_or_id: UUID | str, changes: SpaceChange
) -> SpaceRead:
    """Change titles, rights or policies of a space."""
    row = await _row(session, actor, slug_or_id, "manage")
    after = changes.model_dump(exclude_none=True)
    before = {name: getattr(row, name) for name in after}
    for name, value in after.items():
        setattr(row, name, value)
    await session.flush()
    await audit.record(
        session, actor, "spaces.space_changed", row.id, kind="space", before=before, after=after
    )
    return SpaceRead.model_validate(row)


async def remove(session: Session, actor: Actor, slug_or_id: UUID | str) -> None:
    """Remove a space; raises SpaceInUse for the default one. Its studies stay elsewhere."""
    row = await _row(session, actor, slug_or_id, "manage")
    if row.slug == DEFAULT:
        raise SpaceInUse("the default space cannot be removed")
    space_id = row.id
    await repository.remove(session, row)
    await audit.record(session, actor, "spaces.space_removed", space_id, kind="space")
    await publish(session, actor, SpaceRemoved(org_id=actor.org_id, subject=space_id))


async def list_grants(session: Session, actor: Actor, slug_or_id: UUID | str) -> list[GrantRead]:
    """Return the rights granted in a space."""
    row = await _row(session, actor, slug_or_id, "manage")
    found = await repository.grants(session, actor.org_id, row.id)
    return [GrantRead.model_validate(g) for g in found]


async def grant(
    session: Session, actor: Actor, slug_or_id: UUID | str, new: GrantCreate
) -> GrantRead:
    """Give a right in a space; giving it twice changes nothing."""
    space = await _row(session, actor, slug_or_id, "manage")
    row = await repository.find_grant(
        session, actor.org_id, space.id, new.kind, new.principal, new.right
    )
    if row is None:
        row = SpaceGrant(org_id=actor.org_id, space_id=space.id, **new.model_dump())
        session.add(row)
        await session.flush()
        await audit.record(
            session,
            actor,
            "spaces.right_granted",
            space.id,
            kind="space",
            after=new.model_dump(),
            space_id=space.id,
        )
    return GrantRead.model_validate(row)


async def revoke(session: Session, actor: Actor, slug_or_id: UUID | str, grant_id: UUID) -> None:
    """Take a granted right away; raises NotFound."""
    space = await _row(session, actor, slug_or_id, "manage")
    row = await repository.remove_grant(session, actor.org_id, space.id, grant_id)
    if row is None:
        raise NotFound("there is no such grant")
    before = {"kind": row.kind, "principal": row.principal, "right": row.right}
    await audit.record(
        session,
        actor,
        "spaces.right_revoked",
        space.id,
        kind="space",
        before=before,
        space_id=space.id,
    )


async def ensure_default(session: Session, actor: Actor) -> SpaceRead:
    """Return the default space of the actor's organisation; make it when it is missing."""
    row = await repository.find(session, actor.org_id, DEFAULT)
    if row is not None:
        return SpaceRead.model_validate(row)
    titles = {"title_zh": "默认数据空间", "title_en": "Default space"}
    return await create(session, actor, SpaceCreate(slug=DEFAULT, **titles))


async def on_organisation_created(
    session: Session, actor: Actor, event: OrganisationCreated
) -> None:
    """Give a new organisation its default space. Safe to run twice."""
    await ensure_default(session, actor)
