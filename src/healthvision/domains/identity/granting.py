# SPDX-License-Identifier: Apache-2.0
"""Checks before rights are given: they exist, and the giver holds them."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from healthvision.domains.identity import repository
from healthvision.domains.identity.errors import OverGrant, UnknownPermission
from healthvision.domains.identity.ports import PermissionCatalogue
from healthvision.domains.identity.roles import BUILT_IN, INSTALLATION_ADMIN, within
from healthvision.domains.identity.state import permissions_of
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.errors import Forbidden
from healthvision.kernel.resources import Resources
from healthvision.kernel.security import Actor


class HasPermissions(Protocol):
    """Anything with a room's permissions, such as a ``Module``."""

    @property
    def permissions(self) -> dict[str, str]:
        """Permission -> help."""
        ...


def register_permissions(resources: Resources, rooms: Sequence[HasPermissions]) -> None:
    """Fill the catalogue from which roles, scopes and keys are made; safe to call again."""
    if not resources.has(PermissionCatalogue):
        resources.put(PermissionCatalogue, PermissionCatalogue())
    for room in rooms:
        resources.get(PermissionCatalogue).add(room.permissions)


def require_installation_admin(actor: Actor) -> None:
    """Raise Forbidden unless the actor administers the installation; '*' is not enough."""
    if actor.kind != "system" and INSTALLATION_ADMIN not in actor.permissions:
        raise Forbidden("this needs the installation administrator", permission=INSTALLATION_ADMIN)


def check_permissions(session: Session, actor: Actor, permissions: Sequence[str]) -> None:
    """Raise UnknownPermission or OverGrant unless the actor may give these rights away."""
    catalogue = resources_of(session).get(PermissionCatalogue)
    for permission in permissions:
        if permission.startswith("installation:") or not catalogue.knows(permission):
            raise UnknownPermission(f"there is no permission {permission}")
    if not within(actor, permissions):
        raise OverGrant("you cannot give rights that you do not hold")


async def check_roles(session: Session, actor: Actor, org_id: UUID, roles: Sequence[str]) -> None:
    """Raise UnknownPermission or OverGrant unless the actor may give these roles away."""
    own = await repository.role_permissions(session, org_id, [r for r in roles])
    for role in roles:
        if role not in BUILT_IN and role not in own:
            raise UnknownPermission(f"there is no role {role}")
    if not within(actor, await permissions_of(session, org_id, roles)):
        raise OverGrant("you cannot give a role with rights that you do not hold")


def check_tier(actor: Actor, tier: str | None) -> None:
    """Raise Forbidden unless the tier is the standard one or the installation's admin sets it."""
    if tier not in (None, "standard"):
        require_installation_admin(actor)
