# SPDX-License-Identifier: Apache-2.0
"""The sub-operations of C-MOVE and C-GET: stored objects to a peer by C-STORE, and their counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from healthvision.domains.archive.schemas import InstanceRef
from healthvision.formats.dicom import dimse, scu
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.resending import uncompressed
from healthvision.formats.dicom.scu import Sent
from healthvision.formats.dicom.ul import ProtocolError
from healthvision.interfaces.dimse.desk import Desk
from healthvision.interfaces.dimse.feed import Feed
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger

_log = logger("dimse.sending")
_LARGEST_TURNED = 512 << 20  # bytes of an object that is turned into another syntax
_SUCCESS, _WARNINGS = 0x0000, 0xB000


class TargetLost(Exception):
    """The connection to the receiver of the objects cannot be used any more."""


@dataclass(slots=True)
class Tally:
    """Sub-operations: how many are left, went well, failed, went with a warning."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warned: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, sop_uid: str, status: int | None) -> None:
        """Count one that is done; ``status`` None: it could not be sent."""
        self.remaining -= 1
        if status == _SUCCESS:
            self.completed += 1
        elif status is not None and status & 0xF000 == _WARNINGS:
            self.warned += 1
        else:
            self.failed += 1
            self.failures.append(sop_uid)

    def into(self, answer: Command) -> Command:
        """Write the counts into a response; remaining only while something remains to be done."""
        pending = answer.status in (dimse.PENDING, dimse.CANCELLED)
        answer.remaining = self.remaining if pending else None
        answer.completed, answer.failed, answer.warned = self.completed, self.failed, self.warned
        return answer

    @property
    def status(self) -> int:
        """Final status of the operation (PS3.4 tables C.4-2, C.4-3)."""
        if not self.failed:
            return dimse.SUCCESS
        return dimse.SOME_FAILED if self.completed or self.warned else dimse.SUBOPERATIONS_FAILED


@dataclass(frozen=True, slots=True)
class Route:
    """Where objects go. ``answer``: reads the response to a C-STORE of ours and its status."""

    association: Association
    answer: Callable[[Command], int]
    stores: bool
    originator: str = ""
    originator_message: int | None = None


def send_all(desk: Desk, refs: list[InstanceRef], route: Route, tally: Tally) -> Iterator[None]:
    """Send instances one by one; yields after each, so that the caller can report or stop.

    Raises TargetLost; what was not sent is then counted as failed.
    """
    feed = Feed(desk, refs)
    try:
        for position, ref in enumerate(refs):
            try:
                status = _send(desk, feed, position, ref, route)
            except (OSError, ProtocolError) as error:
                for left in refs[position:]:
                    tally.note(left.sop_uid, None)
                raise TargetLost from error
            tally.note(ref.sop_uid, status)
            yield
    finally:
        feed.close()


def _send(desk: Desk, feed: Feed, position: int, ref: InstanceRef, route: Route) -> int | None:
    """Send one instance and return the peer's status; None: it cannot be sent to this peer."""
    context = _context(route, ref, ref.transfer_syntax)
    try:
        if context is not None:
            return _send_stored(feed, position, ref, route, context)
        for syntax in (EXPLICIT_LE, IMPLICIT_LE):
            if context := _context(route, ref, syntax):
                return _send_turned(desk, feed, position, ref, route, context)
    except Problem as problem:
        _log.warning("an instance was not sent", instance=str(ref.id), problem=problem.code)
    return None


def _context(route: Route, ref: InstanceRef, syntax: str) -> Context | None:
    for context in route.association.contexts.values():
        kind = (context.abstract, context.syntax)
        if kind == (ref.sop_class_uid, syntax) and context.stores == route.stores:
            return context
    return None


def _send_stored(
    feed: Feed, position: int, ref: InstanceRef, route: Route, context: Context
) -> int | None:
    pieces = feed.pieces(position)
    first = next(pieces)
    while (start := data_set_start(first)) is None:
        more = next(pieces, None)
        if more is None:
            return None
        first += more
    began = _sent(ref, ref.size - start, route)
    request = scu.send_store(route.association, context, began, _from(first, start, pieces))
    return route.answer(request)


def _from(first: bytes, start: int, pieces: Iterator[bytes]) -> Iterator[bytes | memoryview]:
    yield memoryview(first)[start:]
    try:
        yield from pieces
    except Problem as problem:  # a part of the object has left: the peer must not take it
        raise OSError("the stored bytes cannot be read") from problem


def _sent(ref: InstanceRef, total: int, route: Route) -> Sent:
    kind, uid = ref.sop_class_uid, ref.sop_uid
    return Sent(kind, uid, total, route.originator, route.originator_message)


def _send_turned(
    desk: Desk, feed: Feed, position: int, ref: InstanceRef, route: Route, context: Context
) -> int | None:
    if ref.size > _LARGEST_TURNED:
        return None
    data = b"".join(feed.pieces(position))
    plain = desk.wait(_turned(desk, data, context.syntax))
    start = data_set_start(plain) or 0
    body = memoryview(plain)[start:]
    return route.answer(
        scu.send_store(route.association, context, _sent(ref, len(body), route), [body])
    )


async def _turned(desk: Desk, data: bytes, syntax: str) -> bytes:
    return await (await desk.children()).run(uncompressed, data, syntax)
