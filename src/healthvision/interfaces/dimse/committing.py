# SPDX-License-Identifier: Apache-2.0
"""Storage commitment (PS3.4 annex J): requests of peers, and reports of our destinations.

A peer that waits on the association of its request gets the report there; one that ends it is
called back on a new one by a job, which also takes over when a report is not answered.
"""

from uuid import UUID

from healthvision.domains.integration import committing
from healthvision.domains.integration.errors import BadCommitment
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.commitments import (
    ASK,
    CommitmentReport,
    CommitmentRequest,
    read_report,
    read_request,
    report_command,
    report_document,
)
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import write_data_set
from healthvision.interfaces.dimse.attributes import read_attributes
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.kernel.errors import Problem

PATIENCE_S = 1.0  # a peer silent for this long after its request waits for the report here


class Committing:
    """The storage commitment service of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer
        self._sent: dict[int, tuple[UUID, CommitmentReport]] = {}

    def asked(self, association: Association, context: Context, command: Command) -> int:
        """Take a request; its report follows here or on a new association."""
        wanted: UUID | None = None
        try:
            document = read_attributes(association, context, command)
            status, comment = self._judged(command)
            if status == dimse.SUCCESS:
                wanted = self._desk.wait(self._begin(read_request(document)))
        except (DicomRefused, BadCommitment) as problem:
            status, comment = dimse.BAD_VALUE, comment_of(problem)
        except Problem as problem:
            status, comment = status_of(problem), comment_of(problem)
        answer = dimse.answer_to(command, status)
        answer.comment, answer.action_type = comment, command.action_type
        association.send(context, answer)
        if wanted is not None and not association.wire.readable(PATIENCE_S):
            self._report(association, context, wanted)
        return status

    def _judged(self, command: Command) -> tuple[int, str]:
        if "store" not in self._peer.operations:
            return dimse.NOT_AUTHORIZED, "storing is not allowed"
        if command.requested_instance != dimse.COMMITMENT_INSTANCE:
            return dimse.NO_SUCH_INSTANCE, ""
        if command.action_type != ASK:
            return dimse.NO_SUCH_ACTION, ""
        return dimse.SUCCESS, ""

    async def _begin(self, request: CommitmentRequest) -> UUID:
        peer = self._peer
        async with self._desk.db.transaction() as session:
            return await committing.begin(
                session,
                peer.admitted.actor,
                peer.space,
                request,
                ours=peer.called,
                peer=peer.calling,
            )

    def _report(self, association: Association, context: Context, wanted: UUID) -> None:
        report = self._desk.wait(self._report_of(wanted))
        if report is None:
            return
        command = report_command(association.next_id(), report)
        self._sent[command.message or 0] = (wanted, report)
        data = write_data_set(report_document(report), context.syntax)
        association.send(context, command, [data], len(data))

    async def _report_of(self, wanted: UUID) -> CommitmentReport | None:
        async with self._desk.db.reading() as session:
            return await committing.report_of(session, self._peer.admitted.actor, wanted)

    def answered(self, association: Association, context: Context, command: Command) -> int:
        """Take the answer to a report of ours."""
        if command.has_dataset:
            read_attributes(association, context, command)
        status = command.status if command.status is not None else dimse.PROCESSING_FAILURE
        known = self._sent.pop(command.answers or 0, None)
        if known is not None and status == dimse.SUCCESS:
            self._desk.wait(self._told(*known))
        return status

    async def _told(self, wanted: UUID, report: CommitmentReport) -> None:
        async with self._desk.db.transaction() as session:
            await committing.told(session, self._peer.admitted.actor, wanted, report)

    def reported(self, association: Association, context: Context, command: Command) -> int:
        """Take a destination's report on what we sent it."""
        status, comment = dimse.SUCCESS, ""
        try:
            report = read_report(read_attributes(association, context, command))
            if "receive" not in self._peer.operations:
                status, comment = dimse.NOT_AUTHORIZED, "nothing is sent to this title"
            elif not self._desk.wait(self._take(report)):
                status = dimse.NO_SUCH_EVENT
        except DicomRefused as problem:
            status, comment = dimse.BAD_VALUE, comment_of(problem)
        except Problem as problem:
            status, comment = status_of(problem), comment_of(problem)
        answer = dimse.answer_to(command, status)
        answer.comment, answer.event_type = comment, command.event_type
        association.send(context, answer)
        return status

    async def _take(self, report: CommitmentReport) -> bool:
        async with self._desk.db.transaction() as session:
            return await committing.reported(
                session, self._peer.admitted.actor, self._peer.calling, report
            )
