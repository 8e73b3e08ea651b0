# SPDX-License-Identifier: Apache-2.0
"""Tables of the notify room."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.domains.notify.schemas import DeliveryState, Language
from healthvision.kernel.clock import now
from healthvision.kernel.db import OrgOwned


class Subscription(OrgOwned):
    """Who wants to hear of what, and how. ``sealed``: the channel's settings, encrypted."""

    __tablename__ = "subscriptions"

    name: Mapped[str]
    topics: Mapped[list[str]]
    match: Mapped[dict[str, Any]]
    category_at_least: Mapped[str | None]
    channel: Mapped[str]
    config: Mapped[dict[str, Any]]  # without secrets
    sealed: Mapped[str] = mapped_column(Text)
    language: Mapped[Language] = mapped_column(String)
    enabled: Mapped[bool]
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Delivery(OrgOwned):
    """One event on its way to one subscription: exactly one row, so one effect."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "event_id"),
        Index("ix_deliveries_due", "state", "next_at"),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id"))
    event_id: Mapped[UUID]
    topic: Mapped[str]
    subject: Mapped[UUID]
    event_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    state: Mapped[DeliveryState] = mapped_column(String, default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    lease: Mapped[UUID | None]
    last_error: Mapped[str | None]
    receipt: Mapped[str | None]
    delivered_at: Mapped[datetime | None]


class Notification(OrgOwned):
    """One message in one user's inbox."""

    __tablename__ = "inbox_notifications"
    __table_args__ = (
        UniqueConstraint("user_id", "event_id"),
        Index("ix_notifications_inbox", "org_id", "user_id", "id"),
    )

    user_id: Mapped[UUID]
    event_id: Mapped[UUID]
    topic: Mapped[str]
    subject: Mapped[UUID]
    at: Mapped[datetime]
    title: Mapped[str]
    text: Mapped[str]
    data: Mapped[dict[str, Any]]
    link: Mapped[str]
    read_at: Mapped[datetime | None]
