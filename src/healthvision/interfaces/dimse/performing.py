# SPDX-License-Identifier: Apache-2.0
"""Modality performed procedure steps: N-CREATE and N-SET (PS3.4 annex F.7)."""

from healthvision.domains.archive.schemas import Json
from healthvision.domains.integration import performing
from healthvision.domains.integration.errors import BadStep, StepClosed, StepExists, StepNotFound
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.interfaces.dimse.attributes import read_attributes
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.kernel.clock import new_id
from healthvision.kernel.errors import Problem

_STATUS: tuple[tuple[type[Problem], int], ...] = (
    (StepExists, dimse.DUPLICATE_INSTANCE),
    (StepNotFound, dimse.NO_SUCH_INSTANCE),
    (StepClosed, dimse.PROCESSING_FAILURE),
    (BadStep, dimse.BAD_VALUE),
    (DicomRefused, dimse.PROCESSING_FAILURE),
)
_CLOSED = "Performed Procedure Step Object may no longer be updated"  # PS3.4 table F.7.2-2


class Performing:
    """The performed step service of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer

    def create(self, association: Association, context: Context, command: Command) -> int:
        """Begin a step; without a UID it gets a new one."""
        if not command.affected_instance:
            command.affected_instance = f"2.25.{new_id().int}"
        return self._answered(association, context, command, command.affected_instance, new=True)

    def change(self, association: Association, context: Context, command: Command) -> int:
        """Change or end a step."""
        return self._answered(association, context, command, command.requested_instance, new=False)

    def _answered(
        self,
        association: Association,
        context: Context,
        command: Command,
        uid: str,
        *,
        new: bool,
    ) -> int:
        status, comment = dimse.SUCCESS, ""
        try:
            document = read_attributes(association, context, command)
            if "store" not in self._peer.operations:
                status, comment = dimse.NOT_AUTHORIZED, "storing is not allowed"
            else:
                self._desk.wait(self._keep(uid, document, new=new))
        except Problem as problem:
            status, comment = _status(problem)
        answer = dimse.answer_to(command, status)
        answer.comment = comment
        association.send(context, answer)
        return status

    async def _keep(self, uid: str, document: Json, *, new: bool) -> None:
        keep = performing.begin if new else performing.change
        async with self._desk.db.transaction() as session:
            await keep(session, self._peer.admitted.actor, self._peer.space.id, uid, document)


def _status(problem: Problem) -> tuple[int, str]:
    comment = _CLOSED if isinstance(problem, StepClosed) else comment_of(problem)
    for kind, status in _STATUS:
        if isinstance(problem, kind):
            return status, comment
    return status_of(problem), comment
