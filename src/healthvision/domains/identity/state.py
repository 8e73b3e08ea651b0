# SPDX-License-Identifier: Apache-2.0
"""What an account may do right now: from membership, roles, organisation and client."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from healthvision.domains.identity import repository
from healthvision.domains.identity.roles import (
    BUILT_IN,
    INSTALLATION_ADMIN,
    OIDC_SCOPES,
    narrow,
)
from healthvision.domains.identity.tables import OAuthClient
from healthvision.kernel.db import Session


@dataclass(frozen=True, slots=True)
class AccountState:
    """An active account's rights in one organisation."""

    org_id: UUID
    user_id: UUID
    permissions: frozenset[str]
    roles: tuple[str, ...]
    tier: str
    tokens_after: datetime | None
    email: str
    name: str


async def permissions_of(session: Session, org_id: UUID, roles: Sequence[str]) -> frozenset[str]:
    """Return the union of the roles' permissions; roles that are gone give nothing."""
    found: set[str] = set()
    own = await repository.role_permissions(
        session, org_id, [r for r in roles if r not in BUILT_IN]
    )
    for role in roles:
        built_in = BUILT_IN.get(role)
        found.update(built_in.permissions if built_in else own.get(role, ()))
    return frozenset(found)


async def user_state(session: Session, org_id: UUID, user_id: UUID) -> AccountState | None:
    """Return the person's rights in the organisation; None when there are none now."""
    place = await repository.place(session, org_id, user_id)
    if place is None or not is_open(place):
        return None
    rights = await permissions_of(session, org_id, place.membership.roles)
    if place.user.installation_admin:
        rights |= {INSTALLATION_ADMIN}
    return AccountState(
        org_id=org_id,
        user_id=user_id,
        permissions=rights,
        roles=tuple(place.membership.roles),
        tier=place.membership.tier,
        tokens_after=place.user.tokens_after,
        email=place.user.email,
        name=place.user.name,
    )


def is_open(place: repository.Place) -> bool:
    """Tell whether the membership is accepted and nothing is disabled."""
    member, org = place.membership, place.organisation
    return org.disabled_at is None and member.disabled_at is None and member.accepted_at is not None


async def active_client(session: Session, client_id: str) -> OAuthClient | None:
    """Return a client that may act: neither it nor its organisation is disabled."""
    client = await repository.client(session, client_id)
    if client is None or client.disabled_at is not None:
        return None
    if client.org_id is not None:
        org = await repository.organisation(session, client.org_id)
        if org.disabled_at is not None:
            return None
    return client


def scoped(held: frozenset[str], scope: str, bounds: Sequence[str] = ()) -> frozenset[str]:
    """Return the rights within a client's bounds and a token's scope.

    A scope that names no permission (only 'openid' and the like, or nothing) asks for all.
    """
    rights = narrow(held, bounds) if bounds else held
    wanted = frozenset(scope.split()) - OIDC_SCOPES
    return narrow(rights, wanted) if wanted else rights
