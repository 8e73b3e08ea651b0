# SPDX-License-Identifier: Apache-2.0
"""Programs: OAuth clients and API keys of an organisation."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.credentials import digest, new_prefix, new_secret
from healthvision.domains.identity.errors import NoSuchAccount
from healthvision.domains.identity.granting import check_permissions, check_tier
from healthvision.domains.identity.roles import covers
from healthvision.domains.identity.schemas import (
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    ClientCreate,
    ClientCreated,
    ClientPatch,
    ClientRead,
)
from healthvision.domains.identity.state import user_state
from healthvision.domains.identity.tables import ApiKey, OAuthClient
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Forbidden, Invalid
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

COMMAND_LINE = "healthvision-cli"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def is_loopback(uri: str) -> bool:
    """Tell whether a redirect goes to this machine (RFC 8252 section 7.3)."""
    host = urlsplit(uri).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_redirects(uris: Sequence[str]) -> None:
    for uri in uris:
        try:
            parts = urlsplit(uri)
            good = parts.hostname is not None and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or not uri.isascii() or not uri.isprintable() or " " in uri:
            raise Invalid("redirect_uris: an absolute address is needed")
        if parts.fragment or "#" in uri or parts.username is not None or "*" in uri:
            raise Invalid("redirect_uris: no fragment, user name or wildcard")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(uri)):
            raise Invalid("redirect_uris: https, or http on this machine (127.0.0.1)")


def _read(row: OAuthClient) -> ClientRead:
    return ClientRead(
        client_id=row.client_id,
        name=row.name,
        public=row.secret_sha256 is None,
        grants=list(row.grants),
        redirect_uris=list(row.redirect_uris),
        scopes=list(row.scopes),
        tier=row.tier,
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
    )


async def create_client(session: Session, actor: Actor, new: ClientCreate) -> ClientCreated:
    """Register a program. The secret is in the answer only.

    Raises Invalid (redirects, grants), UnknownPermission, OverGrant, Forbidden (tier).
    """
    check_tier(actor, new.tier)
    check_permissions(session, actor, new.scopes)
    _check_redirects(new.redirect_uris)
    if "client_credentials" in new.grants and (new.public or not new.scopes):
        raise Invalid("grants: client_credentials needs a secret and scopes")
    if "authorization_code" in new.grants and not new.redirect_uris:
        raise Invalid("redirect_uris: authorization_code needs at least one")
    secret = None if new.public else new_secret()
    row = OAuthClient(
        id=new_id(),
        org_id=actor.org_id,
        client_id=f"hvc_{new_prefix()}",
        secret_sha256=None if secret is None else digest(secret),
        name=new.name,
        redirect_uris=list(new.redirect_uris),
        grants=list(new.grants),
        scopes=list(new.scopes),
        tier=new.tier,
        created_at=now(),
    )
    session.add(row)
    await session.flush()
    read = _read(row)
    await audit.record(
        session,
        actor,
        "identity.client_created",
        row.client_id,
        kind="client",
        after=read.model_dump(mode="json"),
    )
    return ClientCreated(client=read, client_secret=secret)


async def list_clients(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[ClientRead]:
    """Return the organisation's programs."""
    rows = await repository.clients(session, actor.org_id, cursor_id(cursor), limit + 1)
    return Page(items=[_read(r) for r in rows[:limit]], next=next_id(rows, limit), total=None)


async def get_client(session: Session, actor: Actor, client_id: str) -> ClientRead:
    """Return a program; raises NoSuchAccount."""
    return _read(await repository.own_client(session, actor.org_id, client_id))


async def patch_client(
    session: Session, actor: Actor, client_id: str, patch: ClientPatch
) -> ClientRead:
    """Change a program; a disabled one gets no tokens and its tokens stop working."""
    row = await repository.own_client(session, actor.org_id, client_id)
    before = _read(row)
    if patch.scopes is not None:
        check_permissions(session, actor, patch.scopes)
        if "client_credentials" in row.grants and not patch.scopes:
            raise Invalid("scopes: client_credentials needs scopes")
        row.scopes = list(patch.scopes)
    if patch.redirect_uris is not None:
        _check_redirects(patch.redirect_uris)
        row.redirect_uris = list(patch.redirect_uris)
    if patch.name is not None:
        row.name = patch.name
    if patch.disabled is not None:
        row.disabled_at = (row.disabled_at or now()) if patch.disabled else None
    await session.flush()
    forget_accounts(session)
    after = _read(row)
    await audit.record(
        session,
        actor,
        "identity.client_changed",
        client_id,
        kind="client",
        before=before.model_dump(mode="json"),
        after=after.model_dump(mode="json"),
    )
    return after


async def rotate_client_secret(session: Session, actor: Actor, client_id: str) -> ClientCreated:
    """Give a program a new secret; the old one stops working."""
    row = await repository.own_client(session, actor.org_id, client_id)
    if row.secret_sha256 is None:
        raise Invalid("a public client has no secret")
    secret = new_secret()
    row.secret_sha256 = digest(secret)
    await session.flush()
    await audit.record(session, actor, "identity.client_secret_rotated", client_id, kind="client")
    return ClientCreated(client=_read(row), client_secret=secret)


async def ensure_command_line_client(session: Session) -> None:
    """Register the installation's own public client for the command line."""
    if await repository.client(session, COMMAND_LINE) is not None:
        return
    session.add(
        OAuthClient(
            id=new_id(),
            org_id=None,
            client_id=COMMAND_LINE,
            secret_sha256=None,
            name="HealthVision command line",
            redirect_uris=["http://127.0.0.1/callback"],
            grants=["authorization_code", "refresh_token", DEVICE_GRANT, "password"],
            scopes=[],
            tier="standard",
            created_at=now(),
        )
    )
    await session.flush()


async def create_api_key(session: Session, actor: Actor, new: ApiKeyCreate) -> ApiKeyCreated:
    """Make a key of the caller, or of a program. The secret is in the answer only.

    Raises Invalid, UnknownPermission, OverGrant, Forbidden (tier, or a program's key without
    the right 'api_keys:write').
    """
    check_tier(actor, new.tier)
    check_permissions(session, actor, new.scopes)
    if new.expires_at is not None and new.expires_at <= now():
        raise Invalid("expires_at: lies in the past")
    owner = None if new.service else actor.user_id
    if owner is None:
        if not covers(actor.permissions, "api_keys:write") and actor.kind != "system":
            raise Forbidden("a program's key needs the permission api_keys:write")
        if not new.scopes:
            raise Invalid("scopes: a program's key needs at least one")
    scopes = list(new.scopes) or await _inherited(session, actor)
    prefix, secret = new_prefix(), new_secret()
    row = ApiKey(
        id=new_id(),
        org_id=actor.org_id,
        name=new.name,
        prefix=prefix,
        secret_sha256=digest(secret),
        user_id=owner,
        scopes=scopes,
        tier=new.tier,
        expires_at=new.expires_at,
        created_at=now(),
    )
    session.add(row)
    await session.flush()
    read = ApiKeyRead.model_validate(row)
    await audit.record(
        session,
        actor,
        "identity.api_key_created",
        row.id,
        kind="api_key",
        after={"prefix": prefix, "scopes": scopes, "tier": new.tier},
    )
    return ApiKeyCreated(key=read, secret=f"hv_{prefix}_{secret}")


async def _inherited(session: Session, actor: Actor) -> list[str]:
    """A key without scopes follows its owner; made with a scoped token it keeps those bounds."""
    state = await user_state(session, actor.org_id, actor.user_id) if actor.user_id else None
    if state is None or state.permissions == actor.permissions:
        return []
    return sorted(actor.permissions)


def _sees(actor: Actor, row: ApiKey) -> bool:
    own = actor.user_id is not None and row.user_id == actor.user_id
    return own or covers(actor.permissions, "api_keys:write")


async def list_api_keys(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[ApiKeyRead]:
    """Return the caller's keys, or all of the organisation to those who may manage them."""
    everything = covers(actor.permissions, "api_keys:write")
    owner = None if everything else actor.user_id
    rows = await repository.api_keys(
        session,
        actor.org_id,
        owner,
        everything=everything,
        after=cursor_id(cursor),
        limit=limit + 1,
    )
    return Page(
        items=[ApiKeyRead.model_validate(r) for r in rows[:limit]],
        next=next_id(rows, limit),
        total=None,
    )


async def get_api_key(session: Session, actor: Actor, key_id: UUID) -> ApiKeyRead:
    """Return a key; raises NoSuchAccount for those of others."""
    return ApiKeyRead.model_validate(await _key(session, actor, key_id))


async def _key(session: Session, actor: Actor, key_id: UUID) -> ApiKey:
    row = await repository.get(session, ApiKey, actor.org_id, key_id)
    if not _sees(actor, row):
        raise NoSuchAccount("there is no such key")
    return row


async def revoke_api_key(session: Session, actor: Actor, key_id: UUID) -> ApiKeyRead:
    """End a key; it stays in the list. Safe to repeat."""
    row = await _key(session, actor, key_id)
    if row.revoked_at is None:
        row.revoked_at = now()
        await session.flush()
        forget_accounts(session)
        await audit.record(session, actor, "identity.api_key_revoked", row.id, kind="api_key")
    return ApiKeyRead.model_validate(row)
