# SPDX-License-Identifier: Apache-2.0
"""What a destination plugin is; plugins register under ``healthvision.destinations``."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from healthvision.formats.dicom.commitments import CommitmentReport, CommitmentRequest
from healthvision.kernel.db import Database, Session
from healthvision.kernel.security import Actor


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object to be sent. ``read``: its Part 10 bytes, ``size`` in all, once per call."""

    sop_class_uid: str
    sop_uid: str
    transfer_syntax: str
    study_uid: str
    size: int
    read: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receiver said of one object; ``reason``: status or failure reason, no names."""

    sop_uid: str
    taken: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """For whom a plugin works: the database (to look addresses up) and the organisation."""

    db: Database
    actor: Actor


class PushFailed(Exception):
    """The receiver cannot be reached or ended the talk; what it acknowledged before counts.

    ``reason``: one sentence without names or secrets. ``permanent``: trying again is no use.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Courier(Protocol):
    """A way to send. ``config``: the shape of its settings; ``SecretStr`` fields stay secret."""

    name: str
    config: type[BaseModel]

    async def check(self, session: Session, actor: Actor, config: Any) -> None:
        """Refuse settings that cannot work, e.g. an AE that is not known; raises a Problem."""
        ...

    async def test(self, way: Way, config: Any) -> str:
        """Call the receiver without sending anything; returns what it said. Raises PushFailed."""
        ...

    def send(
        self, way: Way, config: Any, parcels: Sequence[Parcel]
    ) -> AsyncGenerator[Receipt, None]:
        """Send objects and yield a receipt as each is answered; raises PushFailed."""
        ...


class Committer(Protocol):
    """A courier whose receivers know storage commitment (PS3.4 annex J)."""

    def titles(self, config: Any) -> tuple[str, str]:
        """Return our AE title and the receiver's."""
        ...

    async def ask(
        self, way: Way, config: Any, request: CommitmentRequest
    ) -> CommitmentReport | None:
        """Ask for commitment; the report when it came on the same association, else None.

        Raises PushFailed.
        """
        ...

    async def tell(self, way: Way, ours: str, peer: str, report: CommitmentReport) -> None:
        """Send a report to the AE that asked, on a new association; raises PushFailed."""
        ...


Variant = Literal["stored", "binary"]


@dataclass(slots=True)
class Couriers:
    """Couriers that were put in by hand; they go before installed plugins of the same name."""

    by_name: dict[str, Courier] = field(default_factory=dict)
