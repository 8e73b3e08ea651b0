# SPDX-License-Identifier: Apache-2.0
"""Tables of identity. No secret is stored readable: passwords argon2id, others SHA-256."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Base, OrgOwned


class Organisation(Base):
    """A tenant."""

    __tablename__ = "organisations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class User(Base):
    """A person, global; acts in organisations by memberships."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(unique=True)  # folded to lower case
    name: Mapped[str]
    language: Mapped[str] = mapped_column(default="zh")
    password_hash: Mapped[str | None]
    installation_admin: Mapped[bool] = mapped_column(default=False)
    tokens_after: Mapped[datetime | None]  # tokens made earlier are void
    created_at: Mapped[datetime] = mapped_column(default=now)


class Preference(Base):
    """One thing a person likes in the interface; global like the person, read by nobody else."""

    __tablename__ = "user_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)  # 'language', 'keys.length', 'layouts.CT'
    value: Mapped[dict[str, Any]]  # {"value": ...}, as the schema of its name says
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Membership(OrgOwned):
    """A person's place in one organisation."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("org_id", "user_id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    roles: Mapped[list[str]]
    tier: Mapped[str] = mapped_column(default="standard")
    accepted_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]


class Team(OrgOwned):
    """A group of people inside an organisation."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")


class TeamMember(OrgOwned):
    """One person in one team."""

    __tablename__ = "team_members"
    __table_args__ = (UniqueConstraint("team_id", "user_id"),)

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)


class Role(OrgOwned):
    """An organisation's own role; the built-in ones are code (``roles.py``)."""

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    permissions: Mapped[list[str]]


class ApiKey(OrgOwned):
    """A long-lived key; of a person (``user_id``) or of a program."""

    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    scopes: Mapped[list[str]]
    tier: Mapped[str] = mapped_column(default="standard")
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class OAuthClient(Base):
    """A program that asks for tokens; ``org_id`` is null for those of the installation."""

    __tablename__ = "oauth_clients"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    org_id: Mapped[UUID | None] = mapped_column(index=True)
    client_id: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str | None]  # null: public client
    name: Mapped[str]
    redirect_uris: Mapped[list[str]]
    grants: Mapped[list[str]]
    scopes: Mapped[list[str]]  # rights of its client-credentials tokens, bounds of the others
    tier: Mapped[str] = mapped_column(default="standard")
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class AuthorizationCode(OrgOwned):
    """A code between the consent page and the token endpoint (RFC 6749, RFC 7636)."""

    __tablename__ = "oauth_codes"

    code_sha256: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str]
    user_id: Mapped[UUID]
    redirect_uri: Mapped[str]
    challenge: Mapped[str]
    scope: Mapped[str]
    nonce: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    family: Mapped[UUID]


class RefreshToken(OrgOwned):
    """One refresh token; using it makes the next of the family, using it twice ends them all."""

    __tablename__ = "refresh_tokens"

    token_sha256: Mapped[str] = mapped_column(unique=True)
    family: Mapped[UUID] = mapped_column(index=True)
    client_id: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(index=True)
    scope: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class DeviceCode(Base):
    """A device authorization (RFC 8628)."""

    __tablename__ = "device_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_sha256: Mapped[str] = mapped_column(unique=True)
    user_code: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str]
    scope: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")  # pending, allowed, denied, used
    user_id: Mapped[UUID | None]
    org_id: Mapped[UUID | None]
    interval_s: Mapped[int]
    polled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Base):
    """A key pair that signs tokens; the private half is sealed with the master key."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    algorithm: Mapped[str]
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[str]  # base64 of nonce + AES-256-GCM
    created_at: Mapped[datetime] = mapped_column(default=now)
    retired_at: Mapped[datetime | None]  # signs nothing from here on
    expires_at: Mapped[datetime | None]  # verifies nothing from here on


class Ticket(OrgOwned):
    """An invitation or a password reset: a link that works once."""

    __tablename__ = "identity_tickets"

    purpose: Mapped[str]  # invite, reset
    token_sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class SignInFailure(Base):
    """Failed sign-ins in a row, by digest of the name typed, whether the account exists or not."""

    __tablename__ = "signin_failures"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]


class WebSession(OrgOwned):
    """A person signed in with a browser; ``org_id`` is the organisation chosen at the moment."""

    __tablename__ = "web_sessions"

    token_sha256: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    seen_at: Mapped[datetime]  # last use by the person, kept to some seconds
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RevokedToken(Base):
    """An access token that was called back before its end."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
