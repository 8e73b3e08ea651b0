# SPDX-License-Identifier: Apache-2.0
"""Spaces and the rights in them."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.db import OrgOwned


class Space(OrgOwned):
    """A part of an organisation's data with its own rights and policies."""

    __tablename__ = "spaces"
    __table_args__ = (UniqueConstraint("org_id", "slug"),)

    slug: Mapped[str]
    title_zh: Mapped[str] = mapped_column(default="")
    title_en: Mapped[str] = mapped_column(default="")
    restricted: Mapped[bool] = mapped_column(default=False)
    quiet_s: Mapped[float] = mapped_column(default=5.0)
    complete_by_quiet: Mapped[bool] = mapped_column(default=True)
    conflict_policy: Mapped[str] = mapped_column(default="keep_first")


class SpaceGrant(OrgOwned):
    """One right of a user, an account or the holders of a permission in a space."""

    __tablename__ = "space_grants"
    __table_args__ = (UniqueConstraint("space_id", "kind", "principal", "right"),)

    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id"), index=True)
    kind: Mapped[str]
    principal: Mapped[str]
    right: Mapped[str]


class CalledAe(OrgOwned):
    """An application entity title under which this installation is called, and its space."""

    __tablename__ = "called_aes"

    title: Mapped[str] = mapped_column(unique=True)
    space_id: Mapped[UUID] = mapped_column(ForeignKey("spaces.id"), index=True)
    anybody: Mapped[bool] = mapped_column(default=False)
    operations: Mapped[list[str]]


class RemoteAe(OrgOwned):
    """An application entity of somebody else: who may call us, and whom we may send to."""

    __tablename__ = "remote_aes"
    __table_args__ = (UniqueConstraint("org_id", "title"),)

    title: Mapped[str]
    host: Mapped[str]
    port: Mapped[int]
    operations: Mapped[list[str]]
    calls_from: Mapped[list[str]]
    check_address: Mapped[bool]
    tls: Mapped[str]
    fingerprint: Mapped[str]
