# SPDX-License-Identifier: Apache-2.0
"""Shapes of spaces, their rights and policies."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

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
