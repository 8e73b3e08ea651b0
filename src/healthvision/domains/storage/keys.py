# SPDX-License-Identifier: Apache-2.0
"""The organisations' keys: found once, unwrapped, kept by the process's vault."""

from uuid import UUID

from healthvision.domains.storage import repository
from healthvision.domains.storage.tables import OrgKey
from healthvision.domains.storage.vault import Vault
from healthvision.kernel import crypto
from healthvision.kernel.db import Database, Session, resources_of


def vault_of(where: Database | Session) -> Vault:
    """Return the process's vault."""
    resources = where.resources if isinstance(where, Database) else resources_of(where)
    return resources.get(Vault)


def key_context(org_id: UUID, key_id: UUID) -> bytes:
    """Return what an organisation's key is wrapped with."""
    return b"hv-org-key" + org_id.bytes + key_id.bytes


def remember(vault: Vault, row: OrgKey) -> None:
    """Unwrap a key row and keep the key in the vault; raises Damaged."""
    context = key_context(row.org_id, row.id)
    vault.keys[row.id] = crypto.open_small(vault.wrapping_key, bytes.fromhex(row.wrapped), context)


async def opening_key(where: Database | Session, org_id: UUID, key_id: UUID) -> bytes:
    """Return one key of an organisation; raises Damaged when it is not known."""
    vault = vault_of(where)
    if key_id not in vault.keys:
        if isinstance(where, Database):
            async with where.reading() as session:
                row = await repository.find_key(session, org_id, key_id)
        else:
            row = await repository.find_key(where, org_id, key_id)
        if row is None:
            raise crypto.Damaged("the key of this object is not known")
        remember(vault, row)
    return vault.keys[key_id]
