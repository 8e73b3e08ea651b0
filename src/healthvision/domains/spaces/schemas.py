# SPDX-License-Identifier: Apache-2.0
"""Shapes of spaces, their rights and policies."""

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from healthvision.kernel.schemas import Input, Read

Right = Literal["read", "write", "manage"]
Principal = Literal["user", "account", "permission"]
ConflictPolicy = Literal["keep_first", "keep_last"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Title = Annotated[str, Field(max_length=200)]
QuietSeconds = Annotated[float, Field(ge=0, le=86400)]


class SpaceCreate(Input):
    """A new space."""

    slug: Slug = Field(description="Name in URLs, e.g. in /dicomweb/{space}.")
    title_zh: Title = ""
    title_en: Title = ""
    restricted: bool = Field(
        default=False, description="True: only granted rights count, not the organisation's."
    )
    quiet_s: QuietSeconds = Field(
        default=5.0, description="Seconds without a new instance until a study is complete."
    )
    complete_by_quiet: bool = Field(
        default=True, description="False: studies are complete only when a sender closes them."
    )
    conflict_policy: ConflictPolicy = Field(
        default="keep_first",
        description="Which of two objects with the same UID is shown; both are kept.",
    )


class SpaceChange(Input):
    """Changes to a space; absent fields stay as they are."""

    title_zh: Title | None = None
    title_en: Title | None = None
    restricted: bool | None = None
    quiet_s: QuietSeconds | None = None
    complete_by_quiet: bool | None = None
    conflict_policy: ConflictPolicy | None = None


class SpaceRead(Read):
    """A space as the caller gets it."""

    id: UUID
    slug: str
    title_zh: str
    title_en: str
    restricted: bool
    quiet_s: float
    complete_by_quiet: bool
    conflict_policy: ConflictPolicy
    created_at: datetime


class GrantCreate(Input):
    """A right of somebody in a space.

    ``principal``: a user id, an account (API key, client or AE title), or a permission, which
    means everybody who holds it.
    """

    kind: Principal
    principal: str = Field(min_length=1, max_length=200)
    right: Right


class GrantRead(Read):
    """A granted right."""

    id: UUID
    kind: Principal
    principal: str
    right: Right


def _title(value: str) -> str:
    text = value.strip(" ")
    if not 1 <= len(text) <= 16 or not text.isascii() or not text.isprintable() or "\\" in text:
        raise ValueError("an AE title has 1 to 16 printable ASCII characters, no backslash")
    return text


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


AeTitle = Annotated[str, AfterValidator(_title), Field(max_length=16)]
Operation = Literal["store", "find", "get", "move", "receive"]
TlsProfile = Literal["none", "bcp195", "tls13"]
Networks = list[Annotated[str, AfterValidator(_network)]]
ALL_OPERATIONS: tuple[Operation, ...] = ("store", "find", "get", "move")


class CalledAeCreate(Input):
    """A title under which modalities and archives call this installation (DIMSE).

    ``anybody``: callers that are no remote AE of the organisation may do ``operations``, too.
    """

    title: AeTitle = Field(description="Unique in the whole installation.")
    space: str = Field(default="default", max_length=100, description="Slug or id of the space.")
    anybody: bool = Field(default=False, description="True: callers need not be registered.")
    operations: list[Operation] = Field(
        default=list(ALL_OPERATIONS), description="What callers may do here, at most."
    )


class CalledAeRead(Read):
    """A title under which this installation is called."""

    id: UUID
    title: str
    space_id: UUID
    anybody: bool
    operations: list[Operation]
    created_at: datetime


class RemoteAeCreate(Input):
    """A modality, workstation or archive that calls us or that we send to.

    ``operations``: what it may do here ('store', 'find', 'get', 'move'); 'receive': objects may
    be sent to it. ``calls_from``: networks it may call from; empty: the address of ``host``.
    """

    title: AeTitle
    host: str = Field(min_length=1, max_length=255, description="Host name or address.")
    port: int = Field(default=104, ge=1, le=65535)
    operations: list[Operation] = Field(default_factory=list)
    calls_from: Networks = Field(default_factory=list, description="Networks, e.g. 10.1.2.0/24.")
    check_address: bool = Field(
        default=True, description="False: this title may call from any address."
    )
    tls: TlsProfile = Field(default="none", description="How we connect to it.")
    fingerprint: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the certificate it must show when it calls; '': any trusted one.",
    )


class RemoteAeChange(Input):
    """Changes to a remote AE; absent fields stay as they are."""

    host: str | None = Field(default=None, min_length=1, max_length=255)
    port: int | None = Field(default=None, ge=1, le=65535)
    operations: list[Operation] | None = None
    calls_from: Networks | None = None
    check_address: bool | None = None
    tls: TlsProfile | None = None
    fingerprint: str | None = Field(default=None, pattern=r"^([0-9a-f]{64})?$")


class RemoteAeRead(Read):
    """A remote AE as the caller gets it."""

    id: UUID
    title: str
    host: str
    port: int
    operations: list[Operation]
    calls_from: list[str]
    check_address: bool
    tls: TlsProfile
    fingerprint: str
    created_at: datetime
