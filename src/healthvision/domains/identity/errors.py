# SPDX-License-Identifier: Apache-2.0
"""Failures of identity."""

from typing import ClassVar

from healthvision.kernel.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Problem,
    TooMany,
    Unauthenticated,
)


class BadCredentials(Unauthenticated):
    """Unknown account or wrong secret: one text for both."""

    code, title = "bad-credentials", "Sign-in failed"


class BadToken(Unauthenticated):
    """The token is not valid; the text never says which check failed."""

    code, title = "bad-token", "Token not valid"


class SessionEnded(Unauthenticated):
    """The session of the web interface is over: signed out, idle too long, or never made."""

    code, title = "session-ended", "Signed out"


class ForgedRequest(Forbidden):
    """A changing call with the cookie lacks the page's token: another site may have made it."""

    code, title = "csrf-token-missing", "Page token missing"


class LockedOut(TooMany):
    """Too many failed sign-ins; ``retry_after`` says when to come again."""

    code, title, retry = "locked-out", "Locked after failed sign-ins", False


class WeakPassword(Invalid):
    """The password does not meet the policy."""

    code, title = "weak-password", "Password not accepted"


class NameTaken(Conflict):
    """Another one in the organisation has this name."""

    code, title = "name-taken", "Name already used"


class AlreadyMember(Conflict):
    """The person is a member of the organisation."""

    code, title = "already-member", "Already a member"


class UnknownPermission(Invalid):
    """A permission or role that this installation does not have."""

    code, title = "unknown-permission", "Unknown permission or role"


class OverGrant(Forbidden):
    """Nobody can give more rights than they hold."""

    code, title = "over-grant", "More rights than your own"


class LastAdministrator(Conflict):
    """The organisation would lose its last administrator."""

    code, title = "last-administrator", "Last administrator"


class SharedAccount(Conflict):
    """The person belongs to other organisations too, so this one cannot reset the password."""

    code, title = "shared-account", "Account of several organisations"


class TicketExpired(Gone):
    """The invitation or reset was used, withdrawn or is too old."""

    code, title = "ticket-expired", "Link no longer valid"


class NoSuchAccount(NotFound):
    """There is no such user, team, role, key or client in this organisation."""

    code, title = "no-such-account", "Not found"


class OAuthError(Problem):
    """A refusal by RFC 6749 section 5.2; ``error`` is its machine name."""

    status, code, title = 400, "oauth", "OAuth request refused"
    error: ClassVar[str] = "invalid_request"


class InvalidRequest(OAuthError):
    """A parameter is missing, doubled or malformed."""

    code = "oauth-invalid-request"


class InvalidClient(OAuthError):
    """The client is unknown or did not prove itself."""

    status, code, error = 401, "oauth-invalid-client", "invalid_client"


class InvalidGrant(OAuthError):
    """The code, token or password is wrong, used or too old."""

    code, error = "oauth-invalid-grant", "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant."""

    code, error = "oauth-unauthorized-client", "unauthorized_client"


class UnsupportedGrant(OAuthError):
    """The grant does not exist here or is switched off."""

    code, error = "oauth-unsupported-grant", "unsupported_grant_type"


class InvalidScope(OAuthError):
    """The scope asks for a permission that does not exist or is not held."""

    code, error = "oauth-invalid-scope", "invalid_scope"


class AuthorizationPending(OAuthError):
    """RFC 8628: the person did not answer yet."""

    code, error = "oauth-authorization-pending", "authorization_pending"


class SlowDown(OAuthError):
    """RFC 8628: polled faster than the interval."""

    code, error = "oauth-slow-down", "slow_down"


class ExpiredDeviceCode(OAuthError):
    """RFC 8628: the device code is too old."""

    code, error = "oauth-expired-token", "expired_token"


class AccessDenied(OAuthError):
    """The person refused."""

    code, error = "oauth-access-denied", "access_denied"
