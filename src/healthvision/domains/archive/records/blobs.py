# SPDX-License-Identifier: Apache-2.0
"""Where an instance's sealed bytes lie: in a journal until its series is sealed, then in a pack."""

from uuid import UUID

from healthvision.domains.archive.schemas import Location
from healthvision.domains.storage.ports import Blob

JOURNAL = "journal"  # the store of unsealed bytes: ``<receiver id>/<segment>.log``


def blob_context(org_id: UUID, instance_id: UUID) -> bytes:
    """Return what an instance's bytes are sealed with, the same in a journal and in every pack."""
    return f"hv-instance/{org_id}/{instance_id}".encode()


def is_journal(store: str) -> bool:
    """Tell whether a location's store holds unsealed bytes."""
    return store == JOURNAL


def journal_key(receiver_id: str, segment: str) -> str:
    """Return the object key of a journal's segment."""
    return f"{receiver_id}/{segment}"


def blob_of(stored: Location, org_id: UUID, instance_id: UUID) -> Blob:
    """Return an instance's sealed bytes in a journal as what storage opens."""
    return Blob(
        store=stored.store,
        key=stored.object_key,
        key_id=stored.key_id,
        offset=stored.offset,
        length=stored.length,
        context=blob_context(org_id, instance_id),
        sha256=stored.sha256,
    )
