# SPDX-License-Identifier: Apache-2.0
"""C-MOVE and C-GET (PS3.4 annex C.4.2, C.4.3): select, audit, send, report."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.errors import AeNotFound
from healthvision.domains.spaces.schemas import RemoteAeRead
from healthvision.formats.dicom import dimse, scu
from healthvision.formats.dicom.association import Aborted, Association, Context, Released
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import write_data_set
from healthvision.formats.dicom.ul import ProtocolError
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.finding import LevelUnknown, cancelled, read_query
from healthvision.interfaces.dimse.selecting import select
from healthvision.interfaces.dimse.sending import Route, Tally, TargetLost, send_all
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.kernel.clock import monotonic
from healthvision.kernel.errors import Problem
from healthvision.kernel.telemetry import logger
from healthvision.kernel.wire import connect

_log = logger("dimse.retrieving")
_REPORT_S = 0.25


class _Asked:
    """One C-MOVE or C-GET request on its association."""

    def __init__(self, association: Association, context: Context, command: Command) -> None:
        self.association = association
        self.context = context
        self.command = command
        self.cancelled = False
        self._reported = 0.0

    def report(self, tally: Tally) -> None:
        """Send a pending response now and then."""
        if not tally.remaining or monotonic() < self._reported + _REPORT_S:
            return
        self._reported = monotonic()
        answer = tally.into(dimse.answer_to(self.command, dimse.PENDING))
        self.association.send(self.context, answer)

    def finish(self, tally: Tally) -> int:
        """Send the final response, with the instances that failed; returns its status."""
        status = dimse.CANCELLED if self.cancelled else tally.status
        failures = tally.failures
        answer = tally.into(dimse.answer_to(self.command, status, dataset=bool(failures)))
        if not failures:
            self.association.send(self.context, answer)
            return status
        document = {"00080058": {"vr": "UI", "Value": failures}}
        data = write_data_set(document, self.context.syntax)
        self.association.send(self.context, answer, [data], len(data))
        return status

    def refuse(self, status: int, comment: str) -> int:
        """Send the final response of a request that is not begun."""
        answer = dimse.answer_to(self.command, status)
        answer.comment = comment
        self.association.send(self.context, answer)
        return status


class Retrieving:
    """The C-MOVE and C-GET services of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer

    def get(self, association: Association, context: Context, command: Command) -> int:
        """Answer a C-GET: the objects come back on the same association."""
        asked = _Asked(association, context, command)
        refs = self._selected(asked)
        if isinstance(refs, int):
            return refs
        tally = Tally(len(refs))

        def answer(request: Command) -> int:
            return self._answer_within(asked, request)

        route = Route(association, answer, stores=True)
        try:
            for _ in send_all(self._desk, refs, route, tally):
                asked.cancelled = asked.cancelled or cancelled(association, command)
                if asked.cancelled:
                    break
                asked.report(tally)
        except TargetLost as lost:
            raise lost.__cause__ or lost from None
        return asked.finish(tally)

    def _answer_within(self, asked: _Asked, request: Command) -> int:
        """Wait for a C-STORE response among which a C-CANCEL may come."""
        while True:
            _, came = asked.association.next_command()
            if came.kind == dimse.C_CANCEL_RQ:
                asked.cancelled = asked.cancelled or came.answers == asked.command.message
                continue
            if came.kind != request.kind | dimse.RESPONSE or came.answers != request.message:
                raise ProtocolError("the answer is to something else", 2)
            return came.status if came.status is not None else dimse.PROCESSING_FAILURE

    def move(self, association: Association, context: Context, command: Command) -> int:
        """Answer a C-MOVE: the objects go to a registered remote AE."""
        asked = _Asked(association, context, command)
        refs = self._selected(asked)
        if isinstance(refs, int):
            return refs
        try:
            target = self._desk.wait(self._destination(command.destination, len(refs)))
        except AeNotFound as problem:
            return asked.refuse(dimse.DESTINATION_UNKNOWN, comment_of(problem))
        except Problem as problem:
            return asked.refuse(status_of(problem), comment_of(problem))
        tally = Tally(len(refs))
        try:
            if refs:
                self._move(asked, target, refs, tally)
        except (TargetLost, OSError, ssl.SSLError, scu.Rejected, ProtocolError) as error:
            if not tally.failed:
                for ref in refs:
                    tally.note(ref.sop_uid, None)
            _log.warning("a destination failed", ae=target.title, error=type(error).__name__)
        return asked.finish(tally)

    def _move(
        self, asked: _Asked, target: RemoteAeRead, refs: list[InstanceRef], tally: Tally
    ) -> None:
        with self._to(target, refs) as association:
            route = Route(
                association,
                lambda request: scu.answer_of(association, request),
                stores=False,
                originator=self._peer.calling,
                originator_message=asked.command.message,
            )
            for _ in send_all(self._desk, refs, route, tally):
                asked.cancelled = cancelled(asked.association, asked.command)
                if asked.cancelled:
                    break
                asked.report(tally)

    @contextmanager
    def _to(self, target: RemoteAeRead, refs: list[InstanceRef]) -> Iterator[Association]:
        """Yield an association with the destination; released at the end."""
        settings = self._desk.settings
        tls = self._desk.client_tls(target.tls)
        wire = connect(target.host, target.port, seconds=settings.connect_s, tls=tls)
        try:
            kinds = [(r.sop_class_uid, r.transfer_syntax) for r in refs]
            association = scu.associate(
                wire, self._peer.called, target.title, scu.proposals(kinds), settings.timers()
            )
            yield association
            association.release()
        except (Released, Aborted) as ended:
            raise TargetLost from ended
        finally:
            wire.close()

    def _selected(self, asked: _Asked) -> list[InstanceRef] | int:
        """Return what is to be sent, its access recorded; or the status that was answered."""
        try:
            identifier = read_query(asked.association, asked.context, asked.command)
            found = self._desk.wait(select(self._desk.db, self._peer, identifier))
            self._desk.wait(self._record(found))
        except (LevelUnknown, DicomRefused) as problem:
            return asked.refuse(dimse.DATASET_MISMATCH, comment_of(problem))
        except Problem as problem:
            return asked.refuse(status_of(problem), comment_of(problem))
        return found

    async def _record(self, refs: list[InstanceRef]) -> None:
        actor, space = self._peer.admitted.actor, self._peer.space
        await archive.record_access(self._desk.db, actor, refs, space_id=space.id)

    async def _destination(self, title: str, count: int) -> RemoteAeRead:
        actor = self._peer.admitted.actor
        async with self._desk.db.reading() as session:
            target = await aes.destination(session, actor, title)
        await audit.record_read(
            self._desk.db,
            actor,
            "archive.sent_to_ae",
            kind="ae",
            space_id=self._peer.space.id,
            detail={"destination": target.title, "count": count},
        )
        return target
