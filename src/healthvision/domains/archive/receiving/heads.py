# SPDX-License-Identifier: Apache-2.0
"""The head of a journal record: all that is needed to write the rows of an object again.

In the clear: a format number, the organisation and the key; the rest is JSON, sealed like the
object. Ids only, nothing personal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from healthvision.domains.archive.schemas import Origin
from healthvision.domains.storage import service as storage
from healthvision.kernel import strictjson
from healthvision.kernel.clock import new_id
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

FORMAT = 1
_NO_KEY = bytes(16)
_CLEAR = 33


@dataclass(frozen=True, slots=True)
class Head:
    """What a record says about its object; ``length``: bytes of the text.

    ``request``, ``number``, ``count``: which of how many records of one request it is.
    """

    instance_id: UUID
    request: UUID
    number: int
    count: int
    actor: Actor
    space_id: UUID
    origin: Origin
    received_at: datetime
    sha256: str
    length: int
    key_id: UUID | None


def _context(org_id: UUID) -> bytes:
    return b"hv-journal/" + org_id.bytes


def common_of(actor: Actor, space_id: UUID, origin: Origin, count: int) -> dict[str, Any]:
    """Return the part of a head that the ``count`` records of a request share."""
    return {
        "request": str(new_id()),
        "count": count,
        "space": str(space_id),
        "origin": [origin.kind, origin.detail],
        "actor": {
            "id": actor.id,
            "kind": actor.kind,
            "permissions": sorted(actor.permissions),
            "user_id": None if actor.user_id is None else str(actor.user_id),
            "tier": actor.tier,
            "address": actor.address,
            "request_id": actor.request_id,
            "trace_id": actor.trace_id,
            "on_behalf_of": actor.on_behalf_of,
            "session_id": actor.session_id,
        },
    }


def pack_head(
    sealer: storage.BlobSealer,
    org_id: UUID,
    common: Mapping[str, Any],
    instance_id: UUID,
    *,
    received_at: datetime,
    sha256: str,
    length: int,
) -> bytes:
    """Return the head of one object's record."""
    values = {
        **common,
        "id": str(instance_id),
        "at": received_at.isoformat(),
        "sha256": sha256,
        "length": length,
    }
    key = _NO_KEY if sealer.key_id is None else sealer.key_id.bytes
    text = strictjson.dumps(values).encode()
    clear = bytes([FORMAT]) + org_id.bytes + key
    return clear + sealer.seal_note(_context(org_id), text)


async def read_head(db: Database, head: bytes) -> Head:
    """Return what a record says; raises Damaged."""
    if len(head) < _CLEAR or head[0] != FORMAT:
        raise Damaged("the head of a journal record is not readable")
    org_id, key = UUID(bytes=head[1:17]), head[17:_CLEAR]
    key_id = None if key == _NO_KEY else UUID(bytes=key)
    text = await storage.open_note(db, org_id, key_id, head[_CLEAR:], _context(org_id))
    values = strictjson.loads(text.decode())
    return Head(
        instance_id=UUID(values["id"]),
        request=UUID(values["request"]),
        number=values["number"],
        count=values["count"],
        actor=_actor(org_id, values["actor"]),
        space_id=UUID(values["space"]),
        origin=Origin(*values["origin"]),
        received_at=datetime.fromisoformat(values["at"]),
        sha256=values["sha256"],
        length=values["length"],
        key_id=key_id,
    )


def _actor(org_id: UUID, values: Mapping[str, Any]) -> Actor:
    user_id = values["user_id"]
    return Actor(
        org_id=org_id,
        id=values["id"],
        kind=values["kind"],
        permissions=frozenset(values["permissions"]),
        user_id=None if user_id is None else UUID(user_id),
        tier=values["tier"],
        address=values["address"],
        request_id=values["request_id"],
        trace_id=values["trace_id"],
        on_behalf_of=values["on_behalf_of"],
        session_id=values["session_id"],
    )
