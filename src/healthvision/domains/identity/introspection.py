# SPDX-License-Identifier: Apache-2.0
"""Tokens looked at and called back (RFC 7662, RFC 7009), discovery documents (RFC 8414)."""

from typing import Any

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import oauth, repository
from healthvision.domains.identity.authentication import Identity
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.clients import DEVICE_GRANT
from healthvision.domains.identity.credentials import digest
from healthvision.domains.identity.errors import BadToken, InvalidClient
from healthvision.domains.identity.keyring import Keyring, algorithms
from healthvision.domains.identity.oauth import ClientProof
from healthvision.domains.identity.settings import IdentitySettings
from healthvision.domains.identity.signin import Caller
from healthvision.domains.identity.tables import OAuthClient
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session


async def introspect(db: Database, proof: ClientProof, token: str) -> dict[str, Any]:
    """Return what a confidential client may know of a token; foreign ones are 'not active'.

    Raises InvalidClient; public clients may not ask.
    """
    identity = db.resources.get(Identity)
    async with db.reading() as session:
        client = await oauth.prove_client(session, proof)
        if client.secret_sha256 is None:
            raise InvalidClient("only clients with a secret may look at tokens")
        try:
            grant = await identity.check(token)
            claims = await identity.claims(session, token)
        except BadToken:
            return await _refresh_facts(session, client, token)
    if client.org_id not in (None, grant.org_id):
        return {"active": False}
    return {
        "active": True,
        "token_type": "Bearer",
        "iss": identity.issuer,
        "sub": grant.id,
        "org": str(grant.org_id),
        "client_id": claims.client_id,
        "scope": " ".join(sorted(grant.permissions)),
        "exp": int(claims.expires_at.timestamp()),
        "iat": int(claims.issued_at.timestamp()),
        "jti": claims.jti,
    }


async def _refresh_facts(session: Session, client: OAuthClient, token: str) -> dict[str, Any]:
    row = await repository.refresh_token(session, digest(token))
    open_row = row is not None and row.revoked_at is None and row.used_at is None
    if row is None or not open_row or row.expires_at <= now():
        return {"active": False}
    if row.client_id != client.client_id:
        return {"active": False}
    return {
        "active": True,
        "token_type": "refresh_token",
        "sub": str(row.user_id),
        "org": str(row.org_id),
        "client_id": row.client_id,
        "scope": row.scope,
        "exp": int(row.expires_at.timestamp()),
    }


async def revoke(db: Database, proof: ClientProof, token: str, caller: Caller) -> None:
    """Call back a token that was made for this client; others are left alone in silence.

    A refresh token takes its whole family along. Raises InvalidClient.
    """
    identity = db.resources.get(Identity)
    async with db.transaction() as session:
        client = await oauth.prove_client(session, proof)
        row = await repository.refresh_token(session, digest(token))
        if row is not None:
            if row.client_id != client.client_id:
                return
            await oauth.end_family(session, row.family)
            org_id, subject = row.org_id, str(row.user_id)
        else:
            try:
                claims = await identity.claims(session, token)
            except BadToken:
                return
            if claims.client_id != client.client_id:
                return
            await repository.revoke(session, claims.jti, claims.expires_at)
            forget_accounts(session)
            org_id, subject = claims.org_id, claims.sub
        await audit.record(
            session, caller.actor(org_id), "identity.token_revoked", subject, kind="account"
        )


def metadata(db: Database) -> dict[str, Any]:
    """Return the discovery document."""
    issuer, settings = oauth.issuer_of(db), db.resources.get(IdentitySettings)
    grants = ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT]
    if settings.password_grant:
        grants.append("password")
    proofs = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*proofs, "none"],
        "revocation_endpoint_auth_methods_supported": [*proofs, "none"],
        "introspection_endpoint_auth_methods_supported": proofs,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(algorithms()),
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "email", "name", "org"],
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": ["zh-CN", "en"],
    }


async def jwks(db: Database) -> dict[str, Any]:
    """Return the JWK set; the first key is made when there is none yet."""
    keyring = db.resources.get(Keyring)
    async with db.reading() as session:
        keys = await keyring.published(session)
    if not keys:
        async with db.transaction() as session:
            await keyring.signing(session)
        async with db.reading() as session:
            keys = await keyring.published(session)
    return {"keys": keys}
