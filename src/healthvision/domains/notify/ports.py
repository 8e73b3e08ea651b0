# SPDX-License-Identifier: Apache-2.0
"""What a channel plugin is; plugins register under the entry points ``healthvision.channels``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from healthvision.kernel.db import Session


@dataclass(frozen=True, slots=True)
class Message:
    """One fact on its way to one receiver: ids only, no patient name.

    ``id``: the event's id, the same at each attempt. ``title`` and ``text``: in the language of
    the subscription, for people.
    """

    id: UUID
    type: str
    at: datetime
    org_id: UUID
    subject: UUID
    data: dict[str, Any]
    links: dict[str, str]
    title: str
    text: str

    def body(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "id": str(self.id),
            "type": self.type,
            "at": self.at.isoformat(),
            "org": str(self.org_id),
            "subject": str(self.subject),
            "data": self.data,
            "links": self.links,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receiver answered, e.g. 'HTTP 204'."""

    detail: str


NEW = "new"  # in the validation context: the settings were just given by a caller


class Channel(Protocol):
    """A way to send.

    ``config``: the shape of its settings; ``SecretStr`` fields are kept encrypted and never
    shown. A channel with the fields ``secret``, ``previous_secret`` and ``previous_until`` can
    have its secret rotated.
    """

    name: str
    config: type[BaseModel]

    async def send(self, message: Message, config: Any) -> Receipt:
        """Send one message; raises DeliveryFailed."""
        ...


@dataclass(slots=True)
class Channels:
    """Channels that were put in by hand; they go before installed plugins of the same name."""

    by_name: dict[str, Channel] = field(default_factory=dict)


class EventGuard(Protocol):
    """Knows who may hear of an event; ``archive`` provides it, since events name its things."""

    async def may_hear(self, session: Session, org_id: UUID, account: str, news: "News") -> bool:
        """Tell whether an account (``Actor.id``) may hear of an event with its rights of now."""
        ...


@dataclass(frozen=True, slots=True)
class News:
    """What a guard looks at: what an event says."""

    topic: str
    subject: UUID
    body: Mapping[str, Any]
