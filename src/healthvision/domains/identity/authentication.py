# SPDX-License-Identifier: Apache-2.0
"""Who calls: bearer tokens and API keys into an Actor, with a memory of a few seconds."""

from dataclasses import dataclass
from datetime import timedelta

from healthvision.domains.identity import repository, sessions
from healthvision.domains.identity.cache import AccountCache, Grant
from healthvision.domains.identity.cookies import csrf_sent, is_doing, session_cookie
from healthvision.domains.identity.credentials import API_KEY, digest, same
from healthvision.domains.identity.errors import BadToken, ForgedRequest
from healthvision.domains.identity.keyring import Keyring
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.state import active_client, scoped, user_state
from healthvision.domains.identity.tables import ApiKey
from healthvision.domains.identity.tokens import Claims, verify
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Unauthenticated
from healthvision.kernel.http import Credentials
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.security import Actor

USED_EVERY = timedelta(hours=1)


@dataclass(slots=True)
class Identity:
    """The Authenticator of ``kernel/http.py``.

    A credential that was found good is trusted for ``IdentitySettings.cache_s`` seconds (1 by
    default), so a disabled account, a lost role or a revoked key or token stops working at once
    in the process that was told, and within that time in all others.
    """

    db: Database
    keyring: Keyring
    cache: AccountCache
    settings: IdentitySettings
    issuer: str

    async def authenticate(self, request: Credentials) -> Actor:
        """Return the actor of a bearer token, an API key or the cookie of the web interface.

        Raises Unauthenticated (401); ForgedRequest (403) for a changing call with the cookie alone.
        """
        cookie = session_cookie(request, self.issuer)
        if cookie is not None:
            return _actor(await self._session(cookie, request), request)
        return _actor(await self.check(_credential(request)), request)

    async def check(self, credential: str) -> Grant:
        """Return what a token or API key grants now; raises BadToken."""
        key = digest(credential)
        grant = self.cache.get(key)
        if grant is None:
            generation = self.cache.generation
            async with self.db.reading() as session:
                if credential.startswith("hv_"):
                    grant = await self._api_key(session, credential)
                else:
                    grant = await self._token(session, credential)
            self.cache.put(key, grant, generation)
        return grant

    async def _session(self, cookie: str, request: Credentials) -> Grant:
        expected = sessions.csrf_token(self.db.resources.get(MasterKey), cookie)
        if not csrf_sent(request, expected):
            raise ForgedRequest("send the page's token as X-CSRF-Token")
        key = digest(cookie)
        grant = self.cache.get(key)
        if grant is None:
            generation = self.cache.generation
            async with self.db.reading() as session:
                grant, seen_at = await sessions.grant_of(session, cookie)
            self.cache.put(key, grant, generation)
            if is_doing(request) and now() - seen_at > sessions.TOUCH_EVERY:
                await sessions.touch(self.db, cookie)
        return grant

    async def claims(self, session: Session, token: str) -> Claims:
        """Return a token's claims if it is valid, not called back and its account is open."""
        claims = await verify(
            session, self.keyring, token, issuer=self.issuer, settings=self.settings
        )
        ids = [claims.jti, *([f"sid:{claims.family}"] if claims.family else [])]
        if await repository.is_revoked(session, ids):
            raise BadToken("the token is not valid")
        return claims

    async def _token(self, session: Session, token: str) -> Grant:
        claims = await self.claims(session, token)
        client = await active_client(session, claims.client_id)
        if client is None or client.org_id not in (None, claims.org_id):
            raise BadToken("the token is not valid")
        if claims.user_id is None:
            rights = scoped(frozenset(client.scopes), claims.scope)
            tier = client.tier
        else:
            state = await user_state(session, claims.org_id, claims.user_id)
            if state is None or (
                state.tokens_after is not None and claims.issued_at < state.tokens_after
            ):
                raise BadToken("the token is not valid")
            rights = scoped(state.permissions, claims.scope, client.scopes)
            tier = state.tier
        return Grant(
            org_id=claims.org_id,
            id=claims.sub,
            kind="user" if claims.user_id else "service",
            permissions=rights,
            user_id=claims.user_id,
            tier=tier,
            session_id=claims.family or claims.jti,
            expires_at=claims.expires_at,
        )

    async def _api_key(self, session: Session, credential: str) -> Grant:
        match = API_KEY.match(credential)
        found = await repository.key_by_prefix(session, match.group(1)) if match else None
        if match is None or found is None or not same(match.group(2), found[0].secret_sha256):
            raise BadToken("the key is not valid")
        row, org = found
        at = now()
        ended = row.expires_at is not None and row.expires_at <= at
        if ended or row.revoked_at is not None or org.disabled_at is not None:
            raise BadToken("the key is not valid")
        rights = frozenset(row.scopes)
        if row.user_id is not None:
            state = await user_state(session, row.org_id, row.user_id)
            if state is None:
                raise BadToken("the key is not valid")
            rights = scoped(state.permissions, "", row.scopes)
        if row.last_used_at is None or at - row.last_used_at > USED_EVERY:
            await self._mark_used(row)
        return Grant(
            org_id=row.org_id,
            id=str(row.user_id or row.id),
            kind="user" if row.user_id else "service",
            permissions=rights,
            user_id=row.user_id,
            tier=row.tier,
            session_id=f"key:{row.prefix}",
            expires_at=row.expires_at,
        )

    async def _mark_used(self, row: ApiKey) -> None:
        async with self.db.transaction() as session:
            stored = await repository.get(session, ApiKey, row.org_id, row.id)
            stored.last_used_at = now()


def _credential(request: Credentials) -> str:
    bearer, api_key = request.headers.get("authorization"), request.headers.get("x-api-key")
    if bearer is not None and api_key is not None:
        raise Unauthenticated("send either Authorization or X-API-Key, not both")
    if api_key is not None:
        if not API_KEY.match(api_key):
            raise BadToken("the key is not valid")
        return api_key
    if bearer is None:
        raise Unauthenticated("send 'Authorization: Bearer <token or key>' or 'X-API-Key: <key>'")
    scheme, _, value = bearer.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Unauthenticated("the Authorization header must be 'Bearer <token or key>'")
    return value.strip()


def _actor(grant: Grant, request: Credentials) -> Actor:
    return Actor(
        org_id=grant.org_id,
        id=grant.id,
        kind=grant.kind,
        permissions=grant.permissions,
        user_id=grant.user_id,
        tier=grant.tier,
        address=request.address,
        request_id=request.request_id,
        trace_id=request.trace_id,
        session_id=grant.session_id,
    )
