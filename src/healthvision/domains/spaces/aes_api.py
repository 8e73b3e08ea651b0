# SPDX-License-Identifier: Apache-2.0
"""Routes of DICOM application entities."""

from typing import Annotated

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import (
    CalledAeCreate,
    CalledAeRead,
    RemoteAeChange,
    RemoteAeCreate,
    RemoteAeRead,
)
from healthvision.kernel.http import SessionDep, requires, router
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

called = router("/v1/called-aes", "image")
remote = router("/v1/remote-aes", "image")
Manager = Annotated[Actor, requires("spaces:manage")]


@called.get("")
async def list_called_aes(actor: Manager, session: SessionDep) -> Page[CalledAeRead]:
    """List the AE titles under which modalities call this installation."""
    items = await aes.list_called(session, actor)
    return Page[CalledAeRead](items=items, next=None, total=len(items))


@called.post("", status_code=201)
async def add_called_ae(new: CalledAeCreate, actor: Manager, session: SessionDep) -> CalledAeRead:
    """Give a space an AE title."""
    return await aes.add_called(session, actor, new)


@called.delete("/{title}", status_code=204)
async def remove_called_ae(title: str, actor: Manager, session: SessionDep) -> None:
    """Take an AE title away; callers are rejected from now on."""
    await aes.remove_called(session, actor, title)


@remote.get("")
async def list_remote_aes(actor: Manager, session: SessionDep) -> Page[RemoteAeRead]:
    """List the modalities, workstations and archives known by AE title."""
    items = await aes.list_remote(session, actor)
    return Page[RemoteAeRead](items=items, next=None, total=len(items))


@remote.post("", status_code=201)
async def add_remote_ae(new: RemoteAeCreate, actor: Manager, session: SessionDep) -> RemoteAeRead:
    """Register who may call us, or whom we send to."""
    return await aes.add_remote(session, actor, new)


@remote.patch("/{title}")
async def change_remote_ae(
    title: str, changes: RemoteAeChange, actor: Manager, session: SessionDep
) -> RemoteAeRead:
    """Change address, operations or TLS of a remote AE."""
    return await aes.change_remote(session, actor, title, changes)


@remote.delete("/{title}", status_code=204)
async def remove_remote_ae(title: str, actor: Manager, session: SessionDep) -> None:
    """Forget a remote AE."""
    await aes.remove_remote(session, actor, title)
