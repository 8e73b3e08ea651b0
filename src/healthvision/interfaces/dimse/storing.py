# SPDX-License-Identifier: Apache-2.0
"""C-STORE: an object into the archive (PS3.4 annex B).

The answer goes out when the bytes are durable and all was judged that can be without the
database's write lock; rows, audit and events follow (ADR 10, ``unwritten``).
"""

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, Received
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.file_head import file_head, identity_of
from healthvision.formats.dicom.part10 import is_uid
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.interfaces.dimse.unwritten import Unwritten
from healthvision.kernel.errors import Problem

INVALID_INSTANCE = 0x0117
_IDENTITY_BYTES = 16 << 10


class Storing:
    """The C-STORE service of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        limits = ArchiveSettings.current()
        self._desk = desk
        self._peer = peer
        self._unwritten = Unwritten(desk)
        self._most = limits.max_image_bytes
        self._body = Body(limits.memory_bytes, self._most, lambda: archive.spool(desk.db))

    def settle(self) -> None:
        """Wait until the rows of all that was acknowledged are committed, or owed."""
        self._unwritten.settle()

    def handle(self, association: Association, context: Context, command: Command) -> int:
        """Take one object and answer; returns the status."""
        head = file_head(
            command.affected_class, command.affected_instance, context.syntax, self._peer.calling
        )
        self._body.begin(head)
        try:
            if command.has_dataset:
                association.read_body(context, self._body)
            status, comment = self._judged(context, command, len(head))
        finally:
            self._body.drop()
        answer = dimse.answer_to(command, status)
        answer.comment = comment
        association.send(context, answer)
        return status

    def _judged(self, context: Context, command: Command, start: int) -> tuple[int, str]:
        """Return status and comment; the object is in the archive when the status says so."""
        if "store" not in self._peer.admitted.operations:
            return dimse.NOT_AUTHORIZED, "storing is not allowed"
        if command.affected_class != context.abstract:
            return dimse.CLASS_NOT_SUPPORTED, "not the class of the context"
        if not is_uid(command.affected_instance):
            return INVALID_INSTANCE, "the instance UID is no UID"
        if not command.has_dataset:
            return dimse.CANNOT_UNDERSTAND, "there is no data set"
        if self._body.too_large:
            return dimse.CANNOT_UNDERSTAND, "the object is over the size limit"
        try:
            return self._kept(context, command, start)
        except Problem as problem:
            return status_of(problem), comment_of(problem)

    def _kept(self, context: Context, command: Command, start: int) -> tuple[int, str]:
        if self._body.failure is not None:
            raise self._body.failure
        first = self._body.first(start + _IDENTITY_BYTES)[start:]
        identity = identity_of(first, context.syntax)
        named = (command.affected_class, command.affected_instance)
        if identity is not None and identity != named:
            return dimse.DATASET_MISMATCH, "the data set is another object"
        received = self._received()
        if received is not None and received.outcome == "quarantined":
            return dimse.CANNOT_UNDERSTAND, f"quarantined: {received.reason}"[:64]
        return dimse.SUCCESS, ""

    def _received(self) -> Received | None:
        """Put the object into the archive; None: it is safe, and its rows follow."""
        whole = self._body.whole()
        if not self._unwritten.allowed:
            return self._desk.keep(self._peer, Incoming(whole))
        size = len(whole) if isinstance(whole, bytes) else whole.seek(0, 2)
        self._unwritten.make_room(size)
        promised = self._desk.promise(self._peer, Incoming(whole), self._unwritten.seen)
        if not promised.safe:
            return promised.answer.result()
        self._unwritten.add(promised.answer, size)
        return None
