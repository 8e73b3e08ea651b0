# SPDX-License-Identifier: Apache-2.0
"""DICOM application entities: titles that lead to a space, and who may call or be sent to.

A called title belongs to one space of one organisation and is unique in the installation. A
caller is a remote AE of that organisation and comes from its address, unless the title is open to
``anybody``. What it may do is what both, the title and the remote AE, allow.
"""

import asyncio
import hmac
import socket
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import repository
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.errors import AeNotFound, CallerRefused
from healthvision.domains.spaces.schemas import (
    CalledAeCreate,
    CalledAeRead,
    Operation,
    RemoteAeChange,
    RemoteAeCreate,
    RemoteAeRead,
    Right,
    SpaceRead,
)
from healthvision.domains.spaces.tables import CalledAe, RemoteAe
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

_READING = frozenset({"find", "get", "move"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: titles, network address, SHA-256 of the client certificate ('' without one)."""

    called: str
    calling: str
    address: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller that was let in: as whom, to which space, for what.

    ``receives``: we send to it, so it may report to us what became of what we sent.
    """

    actor: Actor
    space_id: UUID
    operations: frozenset[Operation]
    receives: bool = False


async def admit(session: Session, caller: Caller) -> Admitted:
    """Let a caller in.

    Raises AeNotFound when nobody here is called so, CallerRefused when the caller is unknown,
    calls from an address that is not its own or shows another certificate.
    """
    called = await repository.called_ae(session, caller.called)
    if called is None:
        raise AeNotFound("nobody here has this AE title")
    remote = await repository.remote_ae(session, called.org_id, caller.calling)
    allowed = frozenset(called.operations) - {"receive"}
    if remote is not None:
        await _check(remote, caller)
        allowed &= frozenset(remote.operations)
    elif not called.anybody:
        raise CallerRefused("the calling AE title is not known here")
    actor = Actor(
        org_id=called.org_id,
        id=caller.calling,
        kind="device",
        permissions=_permissions(allowed),
        address=caller.address,
    )
    operations = frozenset(o for o in _OPERATIONS if o in allowed)
    receives = remote is not None and "receive" in remote.operations
    return Admitted(actor, called.space_id, operations, receives)


_OPERATIONS: tuple[Operation, ...] = ("store", "find", "get", "move")


def _permissions(operations: frozenset[str]) -> frozenset[str]:
    held = {"studies:write"} if "store" in operations else set()
    if operations & _READING:
        held.add("studies:read")
    return frozenset(held)


async def _check(remote: RemoteAe, caller: Caller) -> None:
    if remote.check_address and not await _is_from(remote, caller.address):
        raise CallerRefused("the calling AE title does not call from this address")
    shown = hmac.compare_digest(remote.fingerprint, caller.fingerprint)
    if remote.fingerprint and not shown:
        raise CallerRefused("the calling AE title did not show its certificate")


async def _is_from(remote: RemoteAe, address: str) -> bool:
    found = _plain(address)
    if remote.calls_from:
        return any(ip_address(found) in ip_network(n) for n in remote.calls_from)
    try:
        return found == _plain(remote.host)
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        known = await loop.getaddrinfo(remote.host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return found in {_plain(str(k[4][0])) for k in known}


def _plain(address: str) -> str:
    """Return an address in one spelling; IPv4 inside IPv6 as IPv4. Raises ValueError."""
    parsed = ip_address(address.split("%", 1)[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


async def space_of(session: Session, admitted: Admitted) -> SpaceRead:
    """Return the space a caller was let in to; raises SpaceNotFound, Forbidden.

    In a restricted space the title needs a grant (kind 'account'). A caller that only receives
    needs no right: it can do nothing here but report.
    """
    if admitted.receives and not admitted.operations:
        return (await spaces.policies(session, admitted.actor.org_id))[admitted.space_id]
    right: Right = "write" if "store" in admitted.operations else "read"
    return await spaces.get(session, admitted.actor, admitted.space_id, right)


async def destination(session: Session, actor: Actor, title: str) -> RemoteAeRead:
    """Return a remote AE of the actor's organisation we may send to; raises AeNotFound."""
    row = await repository.remote_ae(session, actor.org_id, title)
    if row is None or "receive" not in row.operations:
        raise AeNotFound("there is no such destination")
    return RemoteAeRead.model_validate(row)


async def list_called(session: Session, actor: Actor) -> list[CalledAeRead]:
    """Return the titles under which the organisation is called."""
    actor.require("spaces:manage")
    rows = await repository.called_aes(session, actor.org_id)
    return [CalledAeRead.model_validate(r) for r in rows]


async def add_called(session: Session, actor: Actor, new: CalledAeCreate) -> CalledAeRead:
    """Give a space a title; raises AeExists, SpaceNotFound, Forbidden."""
    space = await spaces.get(session, actor, new.space, "manage")
    values = new.model_dump(exclude={"space"})
    row = CalledAe(org_id=actor.org_id, space_id=space.id, **values)
    await repository.add_ae(session, row)
    await audit.record(
        session,
        actor,
        "spaces.called_ae_added",
        row.id,
        kind="ae",
        after=values,
        space_id=space.id,
    )
    return CalledAeRead.model_validate(row)


async def remove_called(session: Session, actor: Actor, title: str) -> None:
    """Take a title away; raises AeNotFound."""
    actor.require("spaces:manage")
    row = await repository.called_ae(session, title)
    if row is None or row.org_id != actor.org_id:
        raise AeNotFound("there is no such AE title")
    await session.delete(row)
    await session.flush()
    await audit.record(session, actor, "spaces.called_ae_removed", row.id, kind="ae")


async def list_remote(session: Session, actor: Actor) -> list[RemoteAeRead]:
    """Return the remote AEs of the organisation."""
    actor.require("spaces:manage")
    rows = await repository.remote_aes(session, actor.org_id)
    return [RemoteAeRead.model_validate(r) for r in rows]


async def add_remote(session: Session, actor: Actor, new: RemoteAeCreate) -> RemoteAeRead:
    """Register a remote AE; raises AeExists."""
    actor.require("spaces:manage")
    row = RemoteAe(org_id=actor.org_id, **new.model_dump())
    await repository.add_ae(session, row)
    await audit.record(
        session, actor, "spaces.remote_ae_added", row.id, kind="ae", after=new.model_dump()
    )
    return RemoteAeRead.model_validate(row)


async def _remote(session: Session, actor: Actor, title: str) -> RemoteAe:
    actor.require("spaces:manage")
    row = await repository.remote_ae(session, actor.org_id, title)
    if row is None:
        raise AeNotFound("there is no such AE title")
    return row


async def change_remote(
    session: Session, actor: Actor, title: str, changes: RemoteAeChange
) -> RemoteAeRead:
    """Change a remote AE; raises AeNotFound."""
    row = await _remote(session, actor, title)
    after = changes.model_dump(exclude_none=True)
    before = {name: getattr(row, name) for name in after}
    for name, value in after.items():
        setattr(row, name, value)
    await session.flush()
    await audit.record(
        session, actor, "spaces.remote_ae_changed", row.id, kind="ae", before=before, after=after
    )
    return RemoteAeRead.model_validate(row)


async def remove_remote(session: Session, actor: Actor, title: str) -> None:
    """Forget a remote AE; raises AeNotFound."""
    row = await _remote(session, actor, title)
    await session.delete(row)
    await session.flush()
    await audit.record(session, actor, "spaces.remote_ae_removed", row.id, kind="ae")
