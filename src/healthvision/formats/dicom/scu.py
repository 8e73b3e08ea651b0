# SPDX-License-Identifier: Apache-2.0
"""The calling side: opening an association over a wire, C-ECHO and C-STORE to others.

Plugins and doors connect with ``kernel.wire.connect`` and talk through this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healthvision.formats.dicom import dimse, ul
from healthvision.formats.dicom.association import OWN_MAX_PDU, Association, Context, Timers
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.ul import Proposed, ProtocolError, Rejection, Role
from healthvision.formats.dicom.writer import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from healthvision.kernel.wire import Buffer, Wire

MOST_CONTEXTS = 128
_ANSWER_BYTES = 1 << 20


class Rejected(Exception):
    """The peer did not take the association."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"rejected: {rejection}")
        self.rejection = rejection


@dataclass(frozen=True, slots=True)
class Sent:
    """The command part of one object to be sent; ``total``: bytes of its data set."""

    sop_class: str
    sop_instance: str
    total: int
    originator: str = ""
    originator_message: int | None = None


def proposals(kinds: Iterable[tuple[str, str]]) -> list[Proposed]:
    """Return contexts for objects of these (SOP class, transfer syntax), at most 128.

    Each class is proposed with each of its syntaxes alone, and with explicit and implicit little
    endian as the last resort.
    """
    wanted = list(dict.fromkeys(kinds))
    plain = [
        (c, s) for c in dict.fromkeys(c for c, _ in wanted) for s in (EXPLICIT_LE, IMPLICIT_LE)
    ]
    each = list(dict.fromkeys([*wanted, *plain]))[:MOST_CONTEXTS]
    return [Proposed(2 * i + 1, c, (s,)) for i, (c, s) in enumerate(each)]


def associate(
    wire: Wire,
    calling: str,
    called: str,
    contexts: Sequence[Proposed],
    timers: Timers,
    roles: Sequence[Role] = (),
) -> Association:
    """Negotiate as the requestor; ``roles``: where ours is another than SCU.

    Raises Rejected, ProtocolError (also when the peer aborts), WireClosed, WireTimeout.
    """
    request = ul.AssociateRequest(
        called,
        calling,
        tuple(contexts),
        OWN_MAX_PDU,
        IMPLEMENTATION_UID,
        IMPLEMENTATION_NAME,
        tuple(roles),
    )
    wire.limit(timers.unit_s)
    wire.write([ul.encode_request(request)])
    kind, body = read_unit(wire)
    if kind == ul.ASSOCIATE_RJ:
        raise Rejected(ul.decode_reject(body))
    if kind != ul.ASSOCIATE_AC:
        raise ProtocolError("the peer does not answer to an association", ul.REASON_UNEXPECTED)
    answer = ul.decode_accept(body)
    classes = {c.number: c.abstract for c in contexts}
    accepted = {
        d.number: Context(d.number, classes[d.number], d.syntax)
        for d in answer.contexts
        if d.result == ul.ACCEPTED and d.number in classes
    }
    return Association(wire, accepted, answer.max_pdu, timers)


def read_unit(wire: Wire, most: int = ul.LARGEST_ASSOCIATE) -> tuple[int, bytes]:
    """Read a whole unit that is no P-DATA: its type and body. Raises ProtocolError."""
    head = bytearray(6)
    wire.read_full(memoryview(head))
    kind, length = ul.head_of(head)
    if kind not in range(ul.ASSOCIATE_RQ, ul.ABORT + 1):
        raise ProtocolError("this is no DICOM unit", ul.REASON_UNRECOGNIZED)
    if kind == ul.P_DATA or length > most:
        raise ProtocolError("an unexpected or too long unit came", ul.REASON_UNEXPECTED)
    body = bytearray(length)
    if length:
        wire.read_full(memoryview(body))
    return kind, bytes(body)


def echo(association: Association) -> int:
    """Send a C-ECHO and return its status; the context must have been accepted."""
    context = association.context_for(dimse.VERIFICATION)
    if context is None:
        return dimse.CLASS_NOT_SUPPORTED
    request = Command(dimse.C_ECHO_RQ, association.next_id(), affected_class=dimse.VERIFICATION)
    association.send(context, request)
    return answer_of(association, request)


def send_store(
    association: Association, context: Context, sent: Sent, pieces: Iterable[Buffer]
) -> Command:
    """Send a C-STORE request and return it; the answer is still to be read."""
    request = Command(
        dimse.C_STORE_RQ,
        association.next_id(),
        affected_class=sent.sop_class,
        affected_instance=sent.sop_instance,
        priority=0,
        dataset_type=dimse.HAS_DATASET,
        originator=sent.originator,
        originator_message=sent.originator_message,
    )
    association.send(context, request, pieces, sent.total)
    return request


def store(association: Association, context: Context, sent: Sent, pieces: Iterable[Buffer]) -> int:
    """Send one object by C-STORE and return the peer's status."""
    return answer_of(association, send_store(association, context, sent, pieces))


def answer_of(association: Association, request: Command) -> int:
    """Wait for the response to a request and return its status; a data set in it is dropped."""
    context, answer = association.next_command()
    if answer.has_dataset:
        body = Body(_ANSWER_BYTES, _ANSWER_BYTES)
        association.read_body(context, body)
    if answer.kind != request.kind | dimse.RESPONSE or answer.answers != request.message:
        raise ProtocolError("the answer is to something else", ul.REASON_UNEXPECTED)
    if answer.status is None:
        raise ProtocolError("the answer has no status")
    return answer.status
