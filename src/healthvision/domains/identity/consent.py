# SPDX-License-Identifier: Apache-2.0
"""What the sign-in pages decide: which request is sound, who consents, to what."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import oauth, repository
from healthvision.domains.identity.clients import is_loopback
from healthvision.domains.identity.credentials import fold_user_code
from healthvision.domains.identity.errors import (
    AccessDenied,
    BadCredentials,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    UnauthorizedClient,
)
from healthvision.domains.identity.pages import LOGIN_TICKET_S, seal, unseal
from healthvision.domains.identity.signin import Caller, sign_in
from healthvision.domains.identity.state import active_client, is_open, user_state
from healthvision.domains.identity.tables import DeviceCode, OAuthClient
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.masterkey import MasterKey

FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "org",
)
CSRF_COOKIE = "hv_csrf"
_COOKIE = re.compile(r"^[A-Za-z0-9_-]{43}$")


class BadPageRequest(InvalidRequest):
    """The client or its redirect is not sound, so the error must not be sent there."""

    code = "oauth-bad-page-request"


class FormTooOld(InvalidRequest):
    """The page was open too long, or its form comes from another site."""

    code = "oauth-form-too-old"


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """A sound authorization request."""

    client_id: str
    client_name: str
    redirect_uri: str
    scope: str
    state: str | None
    challenge: str
    nonce: str | None
    org: str | None

    def back(self, issuer: str, **values: str) -> str:
        """Return the address the browser goes back to (RFC 9207 adds ``iss``)."""
        if self.state is not None:
            values["state"] = self.state
        glue = "&" if urlsplit(self.redirect_uri).query else "?"
        return f"{self.redirect_uri}{glue}{urlencode({**values, 'iss': issuer})}"


class SendBack(Exception):
    """The request is wrong in a way that the client is told by a redirect."""

    def __init__(self, to: str) -> None:
        super().__init__("sent back")
        self.to = to


@dataclass(frozen=True, slots=True)
class ChoosePlace:
    """The person is signed in and must name the organisation."""

    ticket: str
    places: list[tuple[str, str]]


def form_key(db: Database) -> bytes:
    """Return the key that seals forms."""
    return db.resources.get(MasterKey).derive(b"identity-forms")


def new_csrf() -> str:
    """Return the random value of the CSRF cookie."""
    return secrets.token_urlsafe(32)


def is_cookie(value: str) -> bool:
    """Tell whether a value can be a CSRF cookie of ours."""
    return _COOKIE.match(value) is not None


def csrf_field(db: Database, cookie: str) -> str:
    """Return the form's half of the CSRF pair."""
    return seal(form_key(db), "csrf", {"cookie": cookie}, 3600)


def check_csrf(db: Database, cookie: str | None, sent: str | None) -> str:
    """Return the cookie when the form belongs to it; raises FormTooOld."""
    values = unseal(form_key(db), "csrf", sent or "")
    if cookie is None or values is None or values.get("cookie") != cookie:
        raise FormTooOld("the form is too old or comes from elsewhere; open the page again")
    return cookie


def _same_redirect(registered: str, sent: str) -> bool:
    if registered == sent:
        return True
    try:
        mine, theirs = urlsplit(registered), urlsplit(sent)
        _ = theirs.port
    except ValueError:
        return False
    return (
        is_loopback(registered)
        and mine.scheme == theirs.scheme == "http"
        and mine.hostname == theirs.hostname
        and theirs.username is None
        and (mine.path, mine.query, "") == (theirs.path, theirs.query, theirs.fragment)
    )


async def read_request(db: Database, values: Mapping[str, str]) -> AuthorizeRequest:
    """Check an authorization request.

    Raises BadPageRequest (shown to the person) while client and redirect are not known to be
    sound, and SendBack after that. PKCE with S256 is needed always.
    """
    async with db.reading() as session:
        client = await active_client(session, values.get("client_id", ""))
    uri = values.get("redirect_uri", "")
    if client is None:
        raise BadPageRequest("client_id: unknown")
    if not any(_same_redirect(known, uri) for known in client.redirect_uris):
        raise BadPageRequest("redirect_uri: not registered for this client")
    request = AuthorizeRequest(
        client_id=client.client_id,
        client_name=client.name,
        redirect_uri=uri,
        scope=values.get("scope", ""),
        state=values.get("state"),
        challenge=values.get("code_challenge", ""),
        nonce=values.get("nonce"),
        org=values.get("org") or None,
    )
    try:
        _check(client, values)
        oauth.check_scope(db, request.scope)
    except OAuthError as error:
        to = request.back(oauth.issuer_of(db), error=error.error, error_description=error.detail)
        raise SendBack(to) from None
    return request


class _UnsupportedResponse(OAuthError):
    """Only the code flow exists."""

    code, error = "oauth-unsupported-response-type", "unsupported_response_type"


def _check(client: OAuthClient, values: Mapping[str, str]) -> None:
    if values.get("response_type") != "code":
        raise _UnsupportedResponse("response_type: only 'code'")
    if "authorization_code" not in client.grants:
        raise UnauthorizedClient("this client may not use the code flow")
    if values.get("code_challenge_method") != "S256":
        raise InvalidRequest("code_challenge_method: S256 is needed")
    if not oauth.CHALLENGE.match(values.get("code_challenge", "")):
        raise InvalidRequest("code_challenge: 43 base64url characters are needed")


async def identify(
    db: Database, form: Mapping[str, str], caller: Caller, *, cookie: str, client_org: UUID | None
) -> tuple[UUID, UUID] | ChoosePlace:
    """Return (user, organisation) of the person at the page, or ask for the organisation.

    Raises BadCredentials, LockedOut, InvalidGrant (no open membership).
    """
    key = form_key(db)
    if form.get("ticket"):
        ticket = unseal(key, "login", form["ticket"])
        if ticket is None or ticket.get("cookie") != cookie:
            raise FormTooOld("the form is too old or comes from elsewhere; open the page again")
        user_id = UUID(ticket["user"])
    else:
        user_id = await sign_in(db, form.get("username", ""), form.get("password", ""), caller)
    async with db.reading() as session:
        places = [p for p in await repository.places_of(session, user_id) if is_open(p)]
    orgs = [p.organisation for p in places if client_org in (None, p.organisation.id)]
    wanted = form.get("org")
    if wanted:
        orgs = [o for o in orgs if wanted in (str(o.id), o.name)]
    if not orgs:
        raise BadCredentials("the address or the password is wrong")
    if len(orgs) == 1:
        return user_id, orgs[0].id
    sealed = seal(key, "login", {"user": str(user_id), "cookie": cookie}, LOGIN_TICKET_S)
    return ChoosePlace(sealed, [(str(o.id), o.title) for o in orgs])


async def client_org(db: Database, client_id: str) -> UUID | None:
    """Return the organisation a client belongs to; None for the installation's."""
    async with db.reading() as session:
        client = await active_client(session, client_id)
        return None if client is None else client.org_id


async def allow(
    db: Database, request: AuthorizeRequest, user_id: UUID, org_id: UUID, caller: Caller
) -> str:
    """Make a code for the person who consented and return where the browser goes."""
    async with db.transaction() as session:
        await _require_open(session, org_id, user_id)
        code = await oauth.make_code(
            session,
            client_id=request.client_id,
            org_id=org_id,
            user_id=user_id,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            scope=oauth.check_scope(session, request.scope),
            nonce=request.nonce,
        )
        await audit.record(
            session,
            caller.actor(org_id, user_id),
            "identity.signed_in",
            user_id,
            kind="user",
            detail={"client": request.client_id},
        )
    return request.back(oauth.issuer_of(db), code=code)


async def _require_open(session: Session, org_id: UUID, user_id: UUID) -> None:
    if await user_state(session, org_id, user_id) is None:
        raise InvalidGrant("the account has no open membership")


async def find_device(db: Database, typed: str) -> tuple[DeviceCode, OAuthClient]:
    """Return a waiting device request by the code a person typed; raises InvalidRequest."""
    async with db.reading() as session:
        row = await repository.device_code(session, DeviceCode.user_code == fold_user_code(typed))
        client = await active_client(session, row.client_id) if row is not None else None
    if row is None or client is None or row.status != "pending" or row.expires_at <= now():
        raise InvalidRequest("the code is wrong or too old")
    return row, client


async def answer_device(
    db: Database,
    typed: str,
    *,
    user_id: UUID | None,
    org_id: UUID | None,
    allowed: bool,
    caller: Caller,
) -> None:
    """Keep a person's answer to a device; raises InvalidRequest when it came too late."""
    async with db.transaction() as session:
        row = await repository.device_code(session, DeviceCode.user_code == fold_user_code(typed))
        if row is None or row.status != "pending" or row.expires_at <= now():
            raise InvalidRequest("the code is wrong or too old")
        row.status = "allowed" if allowed else "denied"
        row.user_id, row.org_id = user_id, org_id
        if user_id is None or org_id is None:
            if allowed:
                raise AccessDenied("nobody is signed in")
            return
        await _require_open(session, org_id, user_id)
        await audit.record(
            session,
            caller.actor(org_id, user_id),
            "identity.device_allowed" if allowed else "identity.device_denied",
            user_id,
            kind="user",
            detail={"client": row.client_id},
        )
