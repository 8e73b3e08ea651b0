# SPDX-License-Identifier: Apache-2.0
"""OAuth 2.0: the token endpoint and its grants (RFC 6749, 7636, 8628, 9700; password off).

Each request runs in a transaction of its own. A refusal that must leave a trace (a code or
refresh token used twice, a poll too early) is *returned*, so that the trace is committed.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.clients import DEVICE_GRANT
from healthvision.domains.identity.credentials import (
    digest,
    new_secret,
    new_user_code,
    same,
)
from healthvision.domains.identity.errors import (
    AccessDenied,
    AuthorizationPending,
    BadCredentials,
    ExpiredDeviceCode,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrant,
)
from healthvision.domains.identity.keyring import Keyring
from healthvision.domains.identity.ports import PermissionCatalogue
from healthvision.domains.identity.roles import OIDC_SCOPES
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.signin import Caller, sign_in
from healthvision.domains.identity.state import (
    AccountState,
    active_client,
    is_open,
    scoped,
    user_state,
)
from healthvision.domains.identity.tables import (
    AuthorizationCode,
    DeviceCode,
    OAuthClient,
    RefreshToken,
)
from healthvision.domains.identity.tokens import TYPE, Subject, access_claims, sign
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.settings import CoreSettings

CHALLENGE = re.compile(r"^[A-Za-z0-9_-]{43}$")
VERIFIER = re.compile(r"^[A-Za-z0-9._~-]{43,128}$")
MAX_SCOPE = 4000
Answer = dict[str, Any]
Form = Mapping[str, str]
Outcome = Answer | OAuthError


@dataclass(frozen=True, slots=True)
class ClientProof:
    """How a client says who it is: HTTP Basic or form fields."""

    client_id: str
    secret: str | None


def issuer_of(session_or_db: Session | Database) -> str:
    """Return the 'iss' of tokens: the public address without a closing slash."""
    resources = (
        session_or_db.resources
        if isinstance(session_or_db, Database)
        else resources_of(session_or_db)
    )
    return resources.get(CoreSettings).public_url.rstrip("/")


async def prove_client(session: Session, proof: ClientProof) -> OAuthClient:
    """Return the client; raises InvalidClient with one text for all reasons."""
    client = await active_client(session, proof.client_id)
    stored = client.secret_sha256 if client is not None else None
    if client is None or (stored is None) != (proof.secret is None):
        raise InvalidClient("the client is unknown or did not prove itself")
    if stored is not None and proof.secret is not None and not same(proof.secret, stored):
        raise InvalidClient("the client is unknown or did not prove itself")
    return client


def check_scope(db: Session | Database, scope: str) -> str:
    """Return the scope in canonical form; raises InvalidScope for unknown permissions."""
    resources = db.resources if isinstance(db, Database) else resources_of(db)
    catalogue = resources.get(PermissionCatalogue)
    if len(scope) > MAX_SCOPE:
        raise InvalidScope("scope: too long")
    names = sorted(set(scope.split()))
    for name in names:
        if name not in OIDC_SCOPES and not catalogue.knows(name):
            raise InvalidScope(f"scope: there is no permission {name[:80]!r}")
    return " ".join(names)


async def token(db: Database, proof: ClientProof, form: Form, caller: Caller) -> Answer:
    """Answer a token request (RFC 6749 section 5.1); raises OAuthError, LockedOut.

    Refusals are audited, except 'authorization_pending' and 'slow_down' of a polling device.
    """
    grant = _GRANTS.get(_needed(form, "grant_type"))
    outcome: Outcome
    try:
        if grant is None:
            raise UnsupportedGrant("grant_type: not supported here")
        user_id = await _password_user(db, proof, form, caller)
        async with db.transaction() as session:
            client = await prove_client(session, proof)
            if form["grant_type"] not in client.grants:
                raise UnauthorizedClient("this client may not use this grant")
            outcome = await grant(session, client, form, caller, user_id)
    except OAuthError as error:
        outcome = error
    if not isinstance(outcome, OAuthError):
        return outcome
    if not isinstance(outcome, AuthorizationPending | SlowDown):
        await audit.record_now(
            db,
            caller.actor(),
            "identity.token_refused",
            proof.client_id[:100],
            kind="client",
            outcome="refused",
            detail={"error": outcome.error, "grant": form["grant_type"][:60]},
        )
    raise outcome


def _needed(form: Form, name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise InvalidRequest(f"{name}: is missing")
    return value


async def _password_user(
    db: Database, proof: ClientProof, form: Form, caller: Caller
) -> UUID | None:
    """Check the password before the token's transaction, since failures must be kept."""
    if form["grant_type"] != "password":
        return None
    if not db.resources.get(IdentitySettings).password_grant:
        raise UnsupportedGrant("grant_type: the password grant is switched off")
    async with db.reading() as session:
        await prove_client(session, proof)
    try:
        return await sign_in(db, _needed(form, "username"), _needed(form, "password"), caller)
    except BadCredentials as error:
        raise InvalidGrant(error.detail) from None


async def choose_place(session: Session, user_id: UUID, org: str | None) -> UUID:
    """Return the organisation a person signs in to: the one named (id or name), or the only one.

    Raises InvalidGrant when there is none, or several and none was named.
    """
    places = [p for p in await repository.places_of(session, user_id) if is_open(p)]
    if org:
        places = [p for p in places if org in (str(p.organisation.id), p.organisation.name)]
    if len(places) != 1:
        text = "org: name the organisation" if places else "no open membership"
        raise InvalidGrant(text)
    return places[0].organisation.id


async def _by_password(
    session: Session, client: OAuthClient, form: Form, caller: Caller, user_id: UUID | None
) -> Outcome:
    assert user_id is not None
    org_id = await choose_place(session, user_id, form.get("org"))
    scope = check_scope(session, form.get("scope", ""))
    return await issue_for_user(session, client, org_id, user_id, scope, caller=caller)


async def _by_client(
    session: Session, client: OAuthClient, form: Form, caller: Caller, _user: UUID | None
) -> Outcome:
    if client.org_id is None or client.secret_sha256 is None:
        raise UnauthorizedClient("this client has no rights of its own")
    scope = check_scope(session, form.get("scope", ""))
    subject = Subject(
        org_id=client.org_id,
        sub=client.client_id,
        user_id=None,
        client_id=client.client_id,
        permissions=scoped(frozenset(client.scopes), scope),
        roles=(),
        scope=scope,
        tier=client.tier,
    )
    if not subject.permissions:
        raise InvalidScope("scope: this client holds none of it")
    answer = await _access(session, subject)
    await audit.record(
        session,
        caller.actor(client.org_id),
        "identity.token_issued",
        client.client_id,
        kind="client",
        detail={"grant": "client_credentials"},
    )
    return answer


async def _access(session: Session, subject: Subject) -> Answer:
    resources = resources_of(session)
    settings = resources.get(IdentitySettings)
    key = await resources.get(Keyring).signing(session)
    claims = access_claims(subject, issuer_of(session), settings)
    return {
        "access_token": sign(key, claims, kind=TYPE),
        "token_type": "Bearer",
        "expires_in": settings.access_token_s,
        "scope": subject.scope or " ".join(sorted(subject.permissions)),
        "org": str(subject.org_id),
    }


async def issue_for_user(
    session: Session,
    client: OAuthClient,
    org_id: UUID,
    user_id: UUID,
    scope: str,
    *,
    caller: Caller,
    family: UUID | None = None,
    nonce: str | None = None,
) -> Answer:
    """Return access token, refresh token (if the client may) and ID token (scope openid).

    Raises InvalidGrant when the account is closed, InvalidScope when nothing is left of the scope.
    """
    state = await user_state(session, org_id, user_id)
    if state is None or client.org_id not in (None, org_id):
        raise InvalidGrant("the account has no open membership for this client")
    rights = scoped(state.permissions, scope, client.scopes)
    if set(scope.split()) - OIDC_SCOPES and not rights:
        raise InvalidScope("scope: the account holds none of it")
    family = family or uuid4()
    subject = Subject(
        org_id=org_id,
        sub=str(user_id),
        user_id=user_id,
        client_id=client.client_id,
        permissions=rights,
        roles=state.roles,
        scope=scope,
        tier=state.tier,
        family=family,
    )
    answer = await _access(session, subject)
    if "refresh_token" in client.grants:
        answer["refresh_token"] = await _refresh(session, subject, family)
    if "openid" in scope.split():
        answer["id_token"] = await _id_token(session, client.client_id, state, scope, nonce)
    await audit.record(
        session,
        caller.actor(org_id, user_id),
        "identity.token_issued",
        user_id,
        kind="user",
        detail={"client": client.client_id},
    )
    return answer


async def _refresh(session: Session, subject: Subject, family: UUID) -> str:
    assert subject.user_id is not None
    secret = new_secret()
    days = resources_of(session).get(IdentitySettings).refresh_token_days
    session.add(
        RefreshToken(
            id=new_id(),
            org_id=subject.org_id,
            token_sha256=digest(secret),
            family=family,
            client_id=subject.client_id,
            user_id=subject.user_id,
            scope=subject.scope,
            expires_at=now() + timedelta(days=days),
        )
    )
    await session.flush()
    return secret


async def _id_token(
    session: Session, client_id: str, state: AccountState, scope: str, nonce: str | None
) -> str:
    resources = resources_of(session)
    issued = int(now().timestamp())
    life = resources.get(IdentitySettings).access_token_s
    claims: dict[str, Any] = {
        "iss": issuer_of(session),
        "sub": str(state.user_id),
        "aud": client_id,
        "iat": issued,
        "exp": issued + life,
        "org": str(state.org_id),
    }
    if nonce:
        claims["nonce"] = nonce
    if "email" in scope.split():
        claims["email"] = state.email
    if "profile" in scope.split():
        claims["name"] = state.name
    return sign(await resources.get(Keyring).signing(session), claims)


def pkce_fits(verifier: str, challenge: str) -> bool:
    """Tell whether a verifier fits its S256 challenge (RFC 7636 section 4.6)."""
    if not VERIFIER.match(verifier):
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made.decode(), challenge)


async def make_code(
    session: Session,
    *,
    client_id: str,
    org_id: UUID,
    user_id: UUID,
    redirect_uri: str,
    challenge: str,
    scope: str,
    nonce: str | None,
) -> str:
    """Return a new authorization code for a person who consented."""
    secret = new_secret()
    life = resources_of(session).get(IdentitySettings).code_s
    session.add(
        AuthorizationCode(
            id=new_id(),
            org_id=org_id,
            code_sha256=digest(secret),
            client_id=client_id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            challenge=challenge,
            scope=scope,
            nonce=nonce,
            expires_at=now() + timedelta(seconds=life),
            family=uuid4(),
        )
    )
    await session.flush()
    return secret


async def _by_code(
    session: Session, client: OAuthClient, form: Form, caller: Caller, _user: UUID | None
) -> Outcome:
    row = await repository.code(session, digest(_needed(form, "code")))
    if row is None or row.client_id != client.client_id:
        return InvalidGrant("code: not valid")
    if row.used_at is not None:
        await end_family(session, row.family)
        return InvalidGrant("code: not valid")
    row.used_at = now()
    fits = pkce_fits(form.get("code_verifier", ""), row.challenge)
    if row.expires_at <= now() or row.redirect_uri != form.get("redirect_uri") or not fits:
        return InvalidGrant("code: not valid")
    return await issue_for_user(
        session,
        client,
        row.org_id,
        row.user_id,
        row.scope,
        caller=caller,
        family=row.family,
        nonce=row.nonce,
    )


async def end_family(session: Session, family: UUID) -> None:
    """Call back every refresh token and access token that came from one sign-in."""
    for row in await repository.refresh_tokens(session, RefreshToken.family == family):
        row.revoked_at = now()
    life = timedelta(seconds=resources_of(session).get(IdentitySettings).access_token_s)
    await repository.revoke(session, f"sid:{family}", now() + life)
    forget_accounts(session)


async def _by_refresh(
    session: Session, client: OAuthClient, form: Form, caller: Caller, _user: UUID | None
) -> Outcome:
    row = await repository.refresh_token(session, digest(_needed(form, "refresh_token")))
    if row is None or row.client_id != client.client_id or row.revoked_at is not None:
        return InvalidGrant("refresh_token: not valid")
    if row.used_at is not None:
        await end_family(session, row.family)
        await audit.record(
            session,
            caller.actor(row.org_id, row.user_id),
            "identity.refresh_token_reused",
            row.user_id,
            kind="user",
            outcome="refused",
            detail={"client": client.client_id},
        )
        return InvalidGrant("refresh_token: not valid")
    if row.expires_at <= now():
        return InvalidGrant("refresh_token: not valid")
    scope = check_scope(session, form.get("scope", ""))
    if scope and not set(scope.split()) <= set(row.scope.split()):
        return InvalidScope("scope: more than was granted")
    row.used_at = now()
    return await issue_for_user(
        session,
        client,
        row.org_id,
        row.user_id,
        scope or row.scope,
        caller=caller,
        family=row.family,
    )


async def start_device(db: Database, proof: ClientProof, scope: str) -> Answer:
    """Answer a device authorization request (RFC 8628 section 3.2)."""
    settings = db.resources.get(IdentitySettings)
    async with db.transaction() as session:
        client = await prove_client(session, proof)
        if DEVICE_GRANT not in client.grants:
            raise UnauthorizedClient("this client may not use the device grant")
        secret, typed = new_secret(), new_user_code()
        session.add(
            DeviceCode(
                id=new_id(),
                device_sha256=digest(secret),
                user_code=typed,
                client_id=client.client_id,
                scope=check_scope(session, scope),
                status="pending",
                interval_s=settings.device_interval_s,
                expires_at=now() + timedelta(seconds=settings.device_code_s),
            )
        )
    page = f"{issuer_of(db)}/oauth/device"
    return {
        "device_code": secret,
        "user_code": typed,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={typed}",
        "expires_in": settings.device_code_s,
        "interval": settings.device_interval_s,
    }


async def _by_device(
    session: Session, client: OAuthClient, form: Form, caller: Caller, _user: UUID | None
) -> Outcome:
    wanted = DeviceCode.device_sha256 == digest(_needed(form, "device_code"))
    row = await repository.device_code(session, wanted)
    if row is None or row.client_id != client.client_id or row.status == "used":
        return InvalidGrant("device_code: not valid")
    if row.expires_at <= now():
        return ExpiredDeviceCode("the device code is too old; start again")
    if row.status == "denied":
        return AccessDenied("the request was refused")
    if row.status == "pending" or row.user_id is None or row.org_id is None:
        early = row.polled_at is not None and now() - row.polled_at < timedelta(
            seconds=row.interval_s
        )
        row.polled_at = now()
        if early:
            row.interval_s += 5
            return SlowDown("poll less often")
        return AuthorizationPending("waiting for the person")
    row.status = "used"
    return await issue_for_user(session, client, row.org_id, row.user_id, row.scope, caller=caller)


_Grant = Callable[[Session, OAuthClient, Form, Caller, UUID | None], Awaitable[Outcome]]
_GRANTS: dict[str, _Grant] = {
    "authorization_code": _by_code,
    "client_credentials": _by_client,
    "refresh_token": _by_refresh,
    DEVICE_GRANT: _by_device,
    "password": _by_password,
}
