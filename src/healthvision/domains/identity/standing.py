# SPDX-License-Identifier: Apache-2.0
"""An account as it stands now, without a credential: for what was asked for earlier."""

from uuid import UUID

from healthvision.domains.identity import repository
from healthvision.domains.identity.state import active_client, user_state
from healthvision.domains.identity.tables import ApiKey
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import NotFound
from healthvision.kernel.security import Actor


async def standing(session: Session, org_id: UUID, account: str) -> Actor | None:
    """Return an account (``Actor.id``) with the rights it has in the organisation now.

    A person, a program's API key or an OAuth client; None when it is gone, disabled, revoked or
    past its end.
    """
    account_id = _uuid(account)
    if account_id is not None:
        state = await user_state(session, org_id, account_id)
        if state is not None:
            return Actor(
                org_id=org_id,
                id=account,
                kind="user",
                user_id=account_id,
                permissions=state.permissions,
                tier=state.tier,
            )
        return await _key(session, org_id, account_id)
    client = await active_client(session, account)
    if client is None or client.org_id != org_id:
        return None
    return Actor(org_id=org_id, id=account, kind="service", permissions=frozenset(client.scopes))


async def _key(session: Session, org_id: UUID, key_id: UUID) -> Actor | None:
    try:
        row = await repository.get(session, ApiKey, org_id, key_id)
    except NotFound:
        return None
    ended = row.expires_at is not None and row.expires_at <= now()
    if ended or row.revoked_at is not None or row.user_id is not None:
        return None
    rights = frozenset(row.scopes)
    return Actor(org_id=org_id, id=str(key_id), kind="service", permissions=rights, tier=row.tier)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
