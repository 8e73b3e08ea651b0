# SPDX-License-Identifier: Apache-2.0
"""Objects of one association that were acknowledged and whose rows are not committed yet (ADR 10).

Their bytes are durable. There are few of them, and none when the peer asks for anything else or
the association ends, so that a peer finds what it sent.
"""

from collections import deque
from concurrent.futures import Future

from prometheus_client import Counter

from healthvision.domains.archive.schemas import Received
from healthvision.interfaces.dimse.desk import Desk
from healthvision.kernel.telemetry import REGISTRY, logger

LATE = Counter(
    "hv_dimse_late_total",
    "Objects acknowledged before their rows were committed, by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
OWED = "owed"  # the outcome of objects whose rows could not be written: they are tried again
_log = logger("dimse.unwritten")


class Unwritten:
    """The window of one association; belongs to its thread."""

    def __init__(self, desk: Desk) -> None:
        self.seen: set[str] = set()  # studies that the peer was found to be allowed to add to
        self._desk = desk
        self._most = desk.settings.unwritten_objects
        self._most_bytes = desk.settings.unwritten_bytes
        self._waiting: deque[tuple[Future[Received], int]] = deque()
        self._bytes = 0

    @property
    def allowed(self) -> bool:
        """Tell whether objects may be acknowledged before their rows are committed."""
        return self._most > 0

    def make_room(self, size: int) -> None:
        """Wait for the oldest until an object of ``size`` bytes may be added."""
        while self._waiting and self._waiting[0][0].done():
            self._settle_oldest()
        while self._waiting and (
            len(self._waiting) >= self._most or self._bytes + size > self._most_bytes
        ):
            self._settle_oldest()

    def add(self, answer: "Future[Received]", size: int) -> None:
        """Note an object that is acknowledged now."""
        self._waiting.append((answer, size))
        self._bytes += size

    def settle(self) -> None:
        """Wait until the rows of all are committed, or owed."""
        while self._waiting:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        answer, size = self._waiting.popleft()
        self._bytes -= size
        if not answer.done():
            self._desk.hurry(answer)
        error = answer.exception()
        outcome = answer.result().outcome if error is None else OWED
        LATE.labels(outcome).inc()
        if error is not None:
            _log.warning("rows of an acknowledged object are owed", error=type(error).__name__)
        elif outcome == "quarantined":
            _log.warning("an acknowledged object went to quarantine", reason=answer.result().reason)
