# SPDX-License-Identifier: Apache-2.0
"""The user group of the API: /v1/me, organisations, users, teams, roles, keys, clients."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response

from healthvision.domains.identity import service
from healthvision.domains.identity.schemas import (
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    ClientCreate,
    ClientCreated,
    ClientPatch,
    ClientRead,
    Done,
    InviteAccept,
    InviteCreate,
    InviteRead,
    KeyRotate,
    MeRead,
    OrganisationCreate,
    OrganisationCreated,
    OrganisationPatch,
    OrganisationRead,
    PasswordChange,
    PasswordReset,
    PermissionRead,
    ResetRead,
    RoleCreate,
    RolePatch,
    RoleRead,
    SigningKeyRead,
    TeamCreate,
    TeamPatch,
    TeamRead,
    UserPatch,
    UserRead,
)
from healthvision.domains.identity.signin import Caller
from healthvision.kernel.http import (
    RateLimiter,
    SessionDep,
    check_if_match,
    credentials_of,
    database_of,
    error_responses,
    requires,
)
from healthvision.kernel.http import router as make_router
from healthvision.kernel.paging import DEFAULT_LIMIT, Limit
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

router = make_router("/v1", "user")

Known = Annotated[Actor, requires(None)]
OrgWriter = Annotated[Actor, requires("organisation:write")]
UserReader = Annotated[Actor, requires("users:read")]
UserWriter = Annotated[Actor, requires("users:write")]
TeamWriter = Annotated[Actor, requires("teams:write")]
RoleWriter = Annotated[Actor, requires("roles:write")]
ClientReader = Annotated[Actor, requires("clients:read")]
ClientWriter = Annotated[Actor, requires("clients:write")]
Cursor = Annotated[str | None, Query(max_length=500, description="'next' of the page before.")]
ClientId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
RolePath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Limited = Annotated[Limit, Query()]
_NAMED = "Words; each is a part of the name or the e-mail address, in upper or lower case."
_OF = "Only the people with these ids; more than one may be given."
Ids = Annotated[list[UUID] | None, Query(alias="id", max_length=200, description=_OF)]
Named = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f]*$", description=_NAMED)]


def caller_of(request: Request) -> Caller:
    """Return where an unauthenticated request comes from."""
    seen = credentials_of(request)
    return Caller(seen.address, seen.request_id, seen.trace_id)


async def count_address(request: Request) -> Caller:
    """Count a call of somebody unknown against the 'auth' budget of the address."""
    caller = caller_of(request)
    limiter = database_of(request).resources.get(RateLimiter)  # type: ignore[type-abstract]
    await limiter.hit(caller.actor(), "auth")
    return caller


Anybody = Annotated[Caller, Depends(count_address)]


def _secret(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


Secret = Depends(_secret)


@router.get("/me")
async def get_me(actor: Known, session: SessionDep) -> MeRead:
    """Return the caller, its rights and its organisations."""
    return await service.me(session, actor)


@router.post("/me/password")
async def change_my_password(change: PasswordChange, actor: Known, request: Request) -> Done:
    """Set the caller's own password; every other session ends."""
    caller = caller_of(request)
    await service.change_password(database_of(request), actor, caller, change)
    return Done()


@router.post("/invites/accept", responses=error_responses(410))
async def accept_invite(answer: InviteAccept, caller: Anybody, request: Request) -> Done:
    """Accept an invitation (no sign-in needed)."""
    await service.accept_invite(database_of(request), caller, answer)
    return Done()


@router.post("/password-resets/complete", responses=error_responses(410))
async def complete_password_reset(answer: PasswordReset, caller: Anybody, request: Request) -> Done:
    """Set a new password by a reset token (no sign-in needed)."""
    await service.complete_reset(database_of(request), caller, answer)
    return Done()


@router.get("/organisations")
async def list_organisations(
    actor: Known, session: SessionDep, cursor: Cursor = None, limit: Limited = DEFAULT_LIMIT
) -> Page[OrganisationRead]:
    """Return the own organisation; all of them to the installation administrator."""
    return await service.list_organisations(session, actor, cursor=cursor, limit=limit)


@router.post("/organisations", status_code=201, dependencies=[Secret])
async def create_organisation(
    new: OrganisationCreate, actor: Known, session: SessionDep
) -> OrganisationCreated:
    """Make an organisation and invite its administrator (installation administrator)."""
    return await service.create_organisation(session, actor, new)


@router.get("/organisations/{org_id}")
async def get_organisation(org_id: UUID, actor: Known, session: SessionDep) -> OrganisationRead:
    """Return the own organisation."""
    return await service.get_organisation(session, actor, org_id)


@router.patch("/organisations/{org_id}")
async def patch_organisation(
    org_id: UUID,
    patch: OrganisationPatch,
    actor: OrgWriter,
    session: SessionDep,
    request: Request,
) -> OrganisationRead:
    """Change the own organisation."""
    check_if_match(request, await service.get_organisation(session, actor, org_id))
    return await service.patch_organisation(session, actor, org_id, patch)


@router.get("/users")
async def list_users(
    actor: UserReader,
    session: SessionDep,
    cursor: Cursor = None,
    limit: Limited = DEFAULT_LIMIT,
    total: bool = False,
    q: Named = "",
    ids: Ids = None,
) -> Page[UserRead]:
    """Return the people of the organisation, or those that a text is found in."""
    return await service.list_users(
        session, actor, cursor=cursor, limit=limit, total=total, text=q, ids=ids
    )


@router.post("/users", status_code=201, dependencies=[Secret])
async def invite_user(new: InviteCreate, actor: UserWriter, session: SessionDep) -> InviteRead:
    """Invite a person; the answer's token goes to that person."""
    return await service.invite(session, actor, new)


@router.get("/users/{user_id}")
async def get_user(user_id: UUID, actor: UserReader, session: SessionDep) -> UserRead:
    """Return a person of the organisation."""
    return await service.get_user(session, actor, user_id)


@router.patch("/users/{user_id}")
async def patch_user(
    user_id: UUID, patch: UserPatch, actor: UserWriter, session: SessionDep, request: Request
) -> UserRead:
    """Change a person's name, language, roles or tier."""
    check_if_match(request, await service.get_user(session, actor, user_id))
    return await service.patch_user(session, actor, user_id, patch)


@router.post("/users/{user_id}/disable")
async def disable_user(user_id: UUID, actor: UserWriter, session: SessionDep) -> UserRead:
    """End a person's rights in the organisation; tokens stop within seconds."""
    return await service.disable_user(session, actor, user_id)


@router.post("/users/{user_id}/enable")
async def enable_user(user_id: UUID, actor: UserWriter, session: SessionDep) -> UserRead:
    """Give the rights back and lift a lock-out."""
    return await service.enable_user(session, actor, user_id)


@router.post("/users/{user_id}/password-reset", status_code=201, dependencies=[Secret])
async def start_password_reset(user_id: UUID, actor: UserWriter, session: SessionDep) -> ResetRead:
    """Make a password reset; the answer's token goes to that person."""
    return await service.start_reset(session, actor, user_id)


@router.get("/teams")
async def list_teams(
    actor: UserReader, session: SessionDep, cursor: Cursor = None, limit: Limited = DEFAULT_LIMIT
) -> Page[TeamRead]:
    """Return the organisation's teams."""
    return await service.list_teams(session, actor, cursor=cursor, limit=limit)


@router.post("/teams", status_code=201)
async def create_team(new: TeamCreate, actor: TeamWriter, session: SessionDep) -> TeamRead:
    """Make a team."""
    return await service.create_team(session, actor, new)


@router.get("/teams/{team_id}")
async def get_team(team_id: UUID, actor: UserReader, session: SessionDep) -> TeamRead:
    """Return a team."""
    return await service.get_team(session, actor, team_id)


@router.patch("/teams/{team_id}")
async def patch_team(
    team_id: UUID, patch: TeamPatch, actor: TeamWriter, session: SessionDep, request: Request
) -> TeamRead:
    """Change a team."""
    check_if_match(request, await service.get_team(session, actor, team_id))
    return await service.patch_team(session, actor, team_id, patch)


@router.delete("/teams/{team_id}", status_code=204)
async def delete_team(team_id: UUID, actor: TeamWriter, session: SessionDep) -> None:
    """Delete a team; its people stay."""
    await service.delete_team(session, actor, team_id)


@router.put("/teams/{team_id}/members/{user_id}")
async def join_team(
    team_id: UUID, user_id: UUID, actor: TeamWriter, session: SessionDep
) -> TeamRead:
    """Put a person into a team."""
    return await service.join_team(session, actor, team_id, user_id)


@router.delete("/teams/{team_id}/members/{user_id}")
async def leave_team(
    team_id: UUID, user_id: UUID, actor: TeamWriter, session: SessionDep
) -> TeamRead:
    """Take a person out of a team."""
    return await service.leave_team(session, actor, team_id, user_id)


@router.get("/permissions")
async def list_permissions(_actor: Known, session: SessionDep) -> Page[PermissionRead]:
    """Return every permission that roles, keys and scopes are made of."""
    return service.list_permissions(session)


@router.get("/roles")
async def list_roles(actor: UserReader, session: SessionDep) -> Page[RoleRead]:
    """Return the built-in roles and the organisation's own."""
    return await service.list_roles(session, actor)


@router.post("/roles", status_code=201)
async def create_role(new: RoleCreate, actor: RoleWriter, session: SessionDep) -> RoleRead:
    """Make a role."""
    return await service.create_role(session, actor, new)


@router.get("/roles/{name}")
async def get_role(name: RolePath, actor: UserReader, session: SessionDep) -> RoleRead:
    """Return a role."""
    return await service.get_role(session, actor, name)


@router.patch("/roles/{name}")
async def patch_role(
    name: RolePath, patch: RolePatch, actor: RoleWriter, session: SessionDep, request: Request
) -> RoleRead:
    """Change an own role."""
    check_if_match(request, await service.get_role(session, actor, name))
    return await service.patch_role(session, actor, name, patch)


@router.delete("/roles/{name}", status_code=204)
async def delete_role(name: RolePath, actor: RoleWriter, session: SessionDep) -> None:
    """Delete an own role that nobody carries."""
    await service.delete_role(session, actor, name)


@router.get("/api-keys")
async def list_api_keys(
    actor: Known, session: SessionDep, cursor: Cursor = None, limit: Limited = DEFAULT_LIMIT
) -> Page[ApiKeyRead]:
    """Return the caller's keys; all of the organisation with 'api_keys:write'."""
    return await service.list_api_keys(session, actor, cursor=cursor, limit=limit)


@router.post("/api-keys", status_code=201, dependencies=[Secret])
async def create_api_key(new: ApiKeyCreate, actor: Known, session: SessionDep) -> ApiKeyCreated:
    """Make a key; its secret is in this answer only."""
    return await service.create_api_key(session, actor, new)


@router.get("/api-keys/{key_id}")
async def get_api_key(key_id: UUID, actor: Known, session: SessionDep) -> ApiKeyRead:
    """Return a key without its secret."""
    return await service.get_api_key(session, actor, key_id)


@router.delete("/api-keys/{key_id}")
async def revoke_api_key(key_id: UUID, actor: Known, session: SessionDep) -> ApiKeyRead:
    """End a key; it stays in the list as revoked."""
    return await service.revoke_api_key(session, actor, key_id)


@router.get("/clients")
async def list_clients(
    actor: ClientReader,
    session: SessionDep,
    cursor: Cursor = None,
    limit: Limited = DEFAULT_LIMIT,
) -> Page[ClientRead]:
    """Return the organisation's OAuth clients."""
    return await service.list_clients(session, actor, cursor=cursor, limit=limit)


@router.post("/clients", status_code=201, dependencies=[Secret])
async def create_client(
    new: ClientCreate, actor: ClientWriter, session: SessionDep
) -> ClientCreated:
    """Register an OAuth client; its secret is in this answer only."""
    return await service.create_client(session, actor, new)


@router.get("/clients/{client_id}")
async def get_client(client_id: ClientId, actor: ClientReader, session: SessionDep) -> ClientRead:
    """Return an OAuth client."""
    return await service.get_client(session, actor, client_id)


@router.patch("/clients/{client_id}")
async def patch_client(
    client_id: ClientId,
    patch: ClientPatch,
    actor: ClientWriter,
    session: SessionDep,
    request: Request,
) -> ClientRead:
    """Change an OAuth client."""
    check_if_match(request, await service.get_client(session, actor, client_id))
    return await service.patch_client(session, actor, client_id, patch)


@router.post("/clients/{client_id}/secret", status_code=201, dependencies=[Secret])
async def rotate_client_secret(
    client_id: ClientId, actor: ClientWriter, session: SessionDep
) -> ClientCreated:
    """Give an OAuth client a new secret."""
    return await service.rotate_client_secret(session, actor, client_id)


@router.get("/signing-keys")
async def list_signing_keys(actor: Known, session: SessionDep) -> Page[SigningKeyRead]:
    """Return the signing keys (installation administrator)."""
    return await service.list_signing_keys(session, actor)


@router.post("/signing-keys/rotate", status_code=201)
async def rotate_signing_key(
    rotate: KeyRotate, actor: Known, session: SessionDep
) -> Page[SigningKeyRead]:
    """Replace the signing key (installation administrator)."""
    return await service.rotate_signing_key(session, actor, rotate)
