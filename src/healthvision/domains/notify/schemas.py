# SPDX-License-Identifier: Apache-2.0
"""Shapes of subscriptions, deliveries and notifications."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from healthvision.kernel.schemas import Input, Read

Language = Literal["zh", "en"]
DeliveryState = Literal["pending", "sending", "delivered", "dead"]
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.*]{1,100}$")]
Value = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Field_ = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
CATEGORIES = ("0", "1", "2", "3", "4A", "4B", "4X", "5", "6")  # rising in Lung-RADS, BI-RADS
Category = Literal["0", "1", "2", "3", "4A", "4B", "4X", "5", "6"]


@dataclass(frozen=True, slots=True)
class Sent:
    """How far the notices of one event are: deliveries, given-up ones, when the first left."""

    deliveries: int
    dead: int
    first_at: datetime | None


class SubscriptionCreate(Input):
    """A wish to be told. ``config`` depends on the channel."""

    name: Name
    topics: list[Topic] = Field(
        min_length=1, max_length=20, examples=[["analysis.result_ready.v1", "analysis.task_*"]]
    )
    match: dict[Field_, list[Value]] = Field(
        default_factory=dict,
        max_length=10,
        description="Fields of the event and the values they may have.",
        examples=[{"application": ["lung-ct"], "priority": ["stat", "urgent"]}],
    )
    category_at_least: Category | None = Field(
        default=None, description="Only results of this guideline category or a higher one."
    )
    channel: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
    config: dict[str, Any] = Field(default_factory=dict)
    language: Language = "zh"
    enabled: bool = True


class SubscriptionUpdate(Input):
    """Changes of a subscription; an absent field stays. ``config`` is replaced as a whole."""

    name: Name | None = None
    topics: list[Topic] | None = Field(default=None, min_length=1, max_length=20)
    match: dict[Field_, list[Value]] | None = Field(default=None, max_length=10)
    category_at_least: Category | None = None
    config: dict[str, Any] | None = None
    language: Language | None = None
    enabled: bool | None = None


class SubscriptionRead(Read):
    """A subscription; secrets are never in it."""

    id: UUID
    name: str
    topics: list[str]
    match: dict[str, list[str]]
    category_at_least: str | None
    channel: str
    config: dict[str, Any]
    language: Language
    enabled: bool
    created_by: str
    created_at: datetime
    updated_at: datetime


class SubscriptionCreated(SubscriptionRead):
    """A new subscription with its signing secret, which is shown this one time only."""

    secret: str | None


class SecretRotated(Read):
    """A new signing secret, shown this one time; the old one stays valid for a while."""

    secret: str
    previous_valid_until: datetime


class DeliveryRead(Read):
    """One event on its way to one receiver."""

    id: UUID
    subscription_id: UUID
    event_id: UUID
    topic: str
    subject: UUID
    event_at: datetime
    state: DeliveryState
    attempts: int
    next_at: datetime
    last_error: str | None
    receipt: str | None
    delivered_at: datetime | None


class NotificationRead(Read):
    """A message in the caller's inbox."""

    id: UUID
    event_id: UUID
    topic: str
    subject: UUID
    at: datetime
    title: str
    text: str
    data: dict[str, Any]
    link: str
    read_at: datetime | None


class Unread(Read):
    """How many messages wait."""

    unread: int


class ChannelRead(Read):
    """A channel of this installation and the shape of its settings (JSON Schema)."""

    name: str
    config_schema: dict[str, Any]
