# SPDX-License-Identifier: Apache-2.0
"""What the threads of all associations share: the archive, settings, child processes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, InstanceRef, Origin, Promised, Received
from healthvision.domains.spaces.aes import Admitted
from healthvision.domains.spaces.schemas import Operation, SpaceRead
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel import tls
from healthvision.kernel.apart import ChildProcesses
from healthvision.kernel.db import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other side of an association, and which space it works in."""

    called: str
    calling: str
    admitted: Admitted
    space: SpaceRead

    @property
    def operations(self) -> frozenset[Operation]:
        """What may be negotiated with it; 'receive': it may report on what we sent it."""
        own = self.admitted.operations
        return own | {"receive"} if self.admitted.receives else own


class Desk:
    """The platform as threads see it; made on the event loop that runs the platform."""

    def __init__(self, db: Database, settings: DimseSettings) -> None:
        self.db = db
        self.settings = settings
        self._loop = asyncio.get_running_loop()
        self._receiver = archive.receiver_of(db)
        self._children: ChildProcesses | None = None

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the platform's loop and wait for it, from an association's thread."""
        return self.begin(work).result()

    def begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine on the platform's loop, from an association's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def keep(self, peer: Peer, incoming: Incoming) -> Received:
        """Put an object into the archive; returns when it is safe and visible."""
        origin = Origin("dimse", peer.calling)
        return self._receiver.keep(peer.admitted.actor, peer.space, origin, incoming)

    def promise(self, peer: Peer, incoming: Incoming, seen: set[str]) -> Promised:
        """Put an object into the archive; returns when its bytes are safe. ``seen``: see there."""
        origin = Origin("dimse", peer.calling)
        return self._receiver.promise(peer.admitted.actor, peer.space, origin, incoming, seen)

    def hurry(self, answer: "Future[Received]") -> None:
        """Have the rows of a promised object written now."""
        self._receiver.hurry(answer)

    def open_many(self, refs: list[InstanceRef]) -> AsyncIterator[tuple[int, bytes]]:
        """Return the bytes of instances as (position, piece); to be used on the loop."""
        return archive.open_many(self.db, refs)

    async def children(self) -> ChildProcesses:
        """Return the processes in which decoders run."""
        if self._children is None:
            self._children = ChildProcesses(2)
        return self._children

    def client_tls(self, profile: str) -> ssl.SSLContext | None:
        """Return how we connect to a destination: 'none', 'bcp195' or 'tls13'."""
        if profile == "none":
            return None
        kind: tls.Profile = "tls13" if profile == "tls13" else "bcp195"
        return tls.client_context(kind, self.settings.identity())

    def close(self) -> None:
        """End the child processes."""
        if self._children is not None:
            self._children.close()
