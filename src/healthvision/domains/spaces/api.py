# SPDX-License-Identifier: Apache-2.0
"""Routes of spaces."""

from typing import Annotated

from healthvision.domains.spaces import service
from healthvision.domains.spaces.schemas import (
    GrantCreate,
    GrantRead,
    SpaceChange,
    SpaceCreate,
    SpaceRead,
)
from healthvision.kernel.http import SessionDep, path_uuid, requires, router
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

routes = router("/v1/spaces", "image")
Known = Annotated[Actor, requires(None)]
Manager = Annotated[Actor, requires("spaces:manage")]


@routes.get("")
async def list_spaces(actor: Known, session: SessionDep) -> Page[SpaceRead]:
    """List the spaces the caller may read."""
    items = await service.visible(session, actor)
    return Page[SpaceRead](items=items, next=None, total=len(items))


@routes.post("", status_code=201)
async def create_space(new: SpaceCreate, actor: Manager, session: SessionDep) -> SpaceRead:
    """Make a space."""
    return await service.create(session, actor, new)


@routes.get("/{space}")
async def get_space(space: str, actor: Known, session: SessionDep) -> SpaceRead:
    """Get a space by slug or id."""
    return await service.get(session, actor, space)


@routes.patch("/{space}")
async def change_space(
    space: str, changes: SpaceChange, actor: Known, session: SessionDep
) -> SpaceRead:
    """Change titles, rights or policies of a space."""
    return await service.change(session, actor, space, changes)


@routes.delete("/{space}", status_code=204)
async def remove_space(space: str, actor: Known, session: SessionDep) -> None:
    """Remove a space; its studies stay in their other spaces."""
    await service.remove(session, actor, space)


@routes.get("/{space}/grants")
async def list_grants(space: str, actor: Known, session: SessionDep) -> Page[GrantRead]:
    """List the rights granted in a space."""
    items = await service.list_grants(session, actor, space)
    return Page[GrantRead](items=items, next=None, total=len(items))


@routes.post("/{space}/grants", status_code=201)
async def grant_right(space: str, new: GrantCreate, actor: Known, session: SessionDep) -> GrantRead:
    """Give a right in a space."""
    return await service.grant(session, actor, space, new)


@routes.delete("/{space}/grants/{grant_id}", status_code=204)
async def revoke_right(space: str, grant_id: str, actor: Known, session: SessionDep) -> None:
    """Take a granted right away."""
    await service.revoke(session, actor, space, path_uuid(grant_id))
