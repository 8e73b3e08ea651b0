# SPDX-License-Identifier: Apache-2.0
"""Shapes of requests and answers of identity."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from healthvision.kernel.schemas import Input, Moment, Read


def _printable(value: str) -> str:
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in value):
        raise ValueError("control characters are not accepted")
    return value


Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(_printable),
]
Note = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_printable)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Permission = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9_]+:(\*|[a-z0-9_]+))$")]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Tier = Literal["standard", "service"]
Language = Literal["zh", "en"]
UserStatus = Literal["invited", "active", "disabled"]
GrantType = Literal[
    "authorization_code",
    "client_credentials",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "password",
]


class OrganisationCreate(Input):
    """A new tenant with its first administrator, who is invited."""

    name: Slug = Field(description="Short name, unique in the installation.", examples=["east"])
    title: Text = Field(examples=["East Hospital"])
    admin_email: Email = Field(examples=["admin@east.example"])
    admin_name: Text = Field(examples=["Administrator"])


class OrganisationPatch(Input):
    """Changes to an organisation; only what is sent changes."""

    title: Text | None = None
    disabled: bool | None = Field(default=None, description="Installation administrator only.")


class OrganisationRead(Read):
    """A tenant."""

    id: UUID
    name: str
    title: str
    disabled: bool
    created_at: datetime


class InviteCreate(Input):
    """A person to be invited."""

    email: Email = Field(examples=["li.na@hospital.example"])
    name: Text = Field(examples=["Li Na"])
    roles: list[RoleName] = Field(min_length=1, max_length=20, examples=[["radiologist"]])
    language: Language = "zh"


class InviteAccept(Input):
    """The answer to an invitation: new people choose a password, others give theirs."""

    token: Text
    password: Password


class InviteRead(Read):
    """An invitation; the token is shown only here and goes to the person."""

    user_id: UUID
    token: str
    url: str
    expires_at: datetime


class OrganisationCreated(Read):
    """A new tenant and the invitation of its administrator."""

    organisation: OrganisationRead
    invite: InviteRead


class UserPatch(Input):
    """Changes to a person's place in the organisation; only what is sent changes."""

    name: Text | None = Field(default=None, description="Only for people of no other organisation.")
    language: Language | None = None
    roles: list[RoleName] | None = Field(default=None, min_length=1, max_length=20)
    tier: Tier | None = Field(default=None, description="Installation administrator only.")


class UserRead(Read):
    """A person in this organisation."""

    id: UUID
    email: str
    name: str
    language: str
    roles: list[str]
    tier: str
    status: UserStatus
    created_at: datetime


class MembershipRead(Read):
    """An organisation that the caller may choose with the ``org`` parameter."""

    org_id: UUID
    name: str
    title: str
    roles: list[str]


class MeRead(Read):
    """The caller."""

    id: str
    kind: str
    org_id: UUID
    organisation: str
    user: UserRead | None
    permissions: list[str]
    tier: str
    organisations: list[MembershipRead]


class SignIn(Input):
    """A person at the web interface."""

    email: Email = Field(examples=["li.na@hospital.example"])
    password: Password
    org: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="", description="Id or short name of the organisation; empty: the first one."
    )


class SessionChange(Input):
    """Another organisation for the running session."""

    org_id: UUID


class SessionRead(Read):
    """A running session of the web interface."""

    me: MeRead
    csrf_token: str = Field(
        description="Goes into X-CSRF-Token of every POST, PUT, PATCH and DELETE with the cookie."
    )
    started_at: Moment
    expires_at: Moment = Field(description="The latest end, whatever the person does.")
    idle_seconds: int = Field(description="Signed out after so long without the person's doing.")


class SessionState(Read):
    """The session of the caller's cookie; null when nobody is signed in."""

    session: SessionRead | None


class PasswordChange(Input):
    """The caller's own new password."""

    current: Password
    new: Password


class PasswordReset(Input):
    """The end of a reset: the token and the new password."""

    token: Text
    password: Password


class ResetRead(Read):
    """A reset; the token is shown only here and goes to the person."""

    user_id: UUID
    token: str
    url: str
    expires_at: datetime


class Done(Read):
    """The change was made."""

    status: Literal["done"] = "done"


class TeamCreate(Input):
    """A new team."""

    name: Text = Field(examples=["Chest radiology"])
    description: Note = ""


class TeamPatch(Input):
    """Changes to a team; only what is sent changes."""

    name: Text | None = None
    description: Note | None = None


class TeamRead(Read):
    """A team and the ids of its people."""

    id: UUID
    name: str
    description: str
    members: list[UUID]


class RoleCreate(Input):
    """A role of the organisation's own."""

    name: RoleName = Field(examples=["night-shift"])
    description: Note = ""
    permissions: list[Permission] = Field(max_length=200, examples=[["users:read"]])


class RolePatch(Input):
    """Changes to a role; only what is sent changes."""

    description: Note | None = None
    permissions: list[Permission] | None = Field(default=None, max_length=200)


class RoleRead(Read):
    """A role; built-in ones cannot be changed."""

    name: str
    title_en: str
    title_zh: str
    description: str
    permissions: list[str]
    built_in: bool


class PermissionRead(Read):
    """One permission of this installation."""

    name: str
    description: str


class ApiKeyCreate(Input):
    """A new key; without scopes it may do all that its owner may."""

    name: Text = Field(examples=["PACS bridge"])
    scopes: list[Permission] = Field(default=[], max_length=200)
    expires_at: Moment | None = None
    service: bool = Field(
        default=False, description="A program's key that belongs to no person; scopes are needed."
    )
    tier: Tier = Field(default="standard", description="'service': installation administrator.")


class ApiKeyRead(Read):
    """A key without its secret."""

    id: UUID
    name: str
    prefix: str
    user_id: UUID | None
    scopes: list[str]
    tier: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeyCreated(Read):
    """A new key; ``secret`` is shown only here."""

    key: ApiKeyRead
    secret: str


class ClientCreate(Input):
    """A program that asks for tokens."""

    name: Text = Field(examples=["Reporting system"])
    grants: list[GrantType] = Field(min_length=1, max_length=5, examples=[["client_credentials"]])
    redirect_uris: list[Annotated[str, StringConstraints(max_length=500)]] = Field(
        default=[], max_length=20
    )
    scopes: list[Permission] = Field(
        default=[], max_length=200, description="Rights of its own tokens; bounds for people's."
    )
    public: bool = Field(default=False, description="No secret (browser, phone, command line).")
    tier: Tier = Field(default="standard", description="'service': installation administrator.")


class ClientPatch(Input):
    """Changes to a client; only what is sent changes."""

    name: Text | None = None
    redirect_uris: list[Annotated[str, StringConstraints(max_length=500)]] | None = Field(
        default=None, max_length=20
    )
    scopes: list[Permission] | None = Field(default=None, max_length=200)
    disabled: bool | None = None


class ClientRead(Read):
    """A program that asks for tokens, without its secret."""

    client_id: str
    name: str
    public: bool
    grants: list[str]
    redirect_uris: list[str]
    scopes: list[str]
    tier: str
    disabled: bool
    created_at: datetime


class ClientCreated(Read):
    """A new client; ``client_secret`` is shown only here and null for public clients."""

    client: ClientRead
    client_secret: str | None


class SigningKeyRead(Read):
    """A signing key, public facts only."""

    kid: str
    algorithm: str
    created_at: datetime
    retired_at: datetime | None
    expires_at: datetime | None


class KeyRotate(Input):
    """Which kind of key to replace."""

    algorithm: Literal["EdDSA", "RS256"] = "EdDSA"


class BootstrapRead(Read):
    """What ``bootstrap`` made or found; ``password`` is set only when it was made just now."""

    org_id: UUID
    user_id: UUID
    created: bool
    password: str | None
