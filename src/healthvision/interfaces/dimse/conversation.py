# SPDX-License-Identifier: Apache-2.0
"""One association from its first byte to its last: admission, negotiation, messages, end."""

import hashlib
import ssl
from collections.abc import Callable
from typing import NoReturn

from prometheus_client import Counter

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.aes import Caller
from healthvision.domains.spaces.errors import AeNotFound, CallerRefused
from healthvision.formats.dicom import dimse, ul
from healthvision.formats.dicom.association import (
    OWN_MAX_PDU,
    Aborted,
    Association,
    Context,
    Released,
)
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.scu import read_unit
from healthvision.formats.dicom.ul import AssociateRequest, ProtocolError, Rejection
from healthvision.formats.dicom.writer import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from healthvision.interfaces.dimse.committing import Committing
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.finding import IDENTIFIER_BYTES, Finding
from healthvision.interfaces.dimse.negotiation import STORAGE, agree
from healthvision.interfaces.dimse.performing import Performing
from healthvision.interfaces.dimse.retrieving import Retrieving
from healthvision.interfaces.dimse.storing import Storing
from healthvision.interfaces.dimse.worklisting import Worklisting
from healthvision.kernel.errors import Busy, Problem
from healthvision.kernel.listening import Connection
from healthvision.kernel.telemetry import REGISTRY, logger
from healthvision.kernel.wire import WireClosed, WireTimeout

Handler = Callable[[Association, Context, Command], int]
ASSOCIATIONS = Counter(
    "hv_dimse_associations_total", "DICOM associations by end", ["end"], registry=REGISTRY
)
OPERATIONS = Counter(
    "hv_dimse_operations_total",
    "DIMSE operations by status",
    ["operation", "status"],
    registry=REGISTRY,
)
_log = logger("dimse.conversation")
_OTHER_REASON = Rejection(1, 1, 1)
_NAMES = {
    dimse.C_ECHO_RQ: "echo",
    dimse.C_STORE_RQ: "store",
    dimse.C_FIND_RQ: "find",
    dimse.C_MOVE_RQ: "move",
    dimse.C_GET_RQ: "get",
    dimse.N_ACTION_RQ: "action",
    dimse.N_CREATE_RQ: "create",
    dimse.N_SET_RQ: "set",
    dimse.N_EVENT_REPORT_RQ: "event-report",
}


def converse(
    desk: Desk,
    connection: Connection,
    admit: Callable[[Connection], bool],
    context: ssl.SSLContext | None,
) -> None:
    """Serve one connection until it ends; what a peer does never raises."""
    end = "broken"
    try:
        if context is not None:
            connection.wire.secure(context, server=True)
        end = _served(desk, connection, admit)
    except ProtocolError as error:
        end = "protocol"
        _log.warning("a peer broke the protocol", what=str(error), address=connection.host)
        _abort(connection, error.reason)
    except (WireClosed, WireTimeout, ssl.SSLError) as error:
        _log.info("a connection ended", why=type(error).__name__, address=connection.host)
        _abort(connection, ul.REASON_UNSPECIFIED)
    except Exception:  # the edge of this door: a bug ends one association, not the process
        end = "error"
        _log.exception("an association failed", address=connection.host)
        _abort(connection, ul.REASON_UNSPECIFIED)
    finally:
        ASSOCIATIONS.labels(end).inc()


def _abort(connection: Connection, reason: int) -> None:
    try:
        connection.wire.limit(2.0)
        connection.wire.write([ul.abort(ul.PROVIDER, reason)])
    except OSError:
        return


def _served(desk: Desk, connection: Connection, admit: Callable[[Connection], bool]) -> str:
    kind, body = read_unit(connection.wire)
    if kind == ul.ABORT:
        return "aborted"
    if kind != ul.ASSOCIATE_RQ:
        raise ProtocolError("an association must be asked for first", ul.REASON_UNEXPECTED)
    if not ul.version_of(body) & 1:
        return _rejected(connection, ul.VERSION_UNKNOWN)
    request = ul.decode_request(body)
    peer = _admitted(desk, connection, request)
    if isinstance(peer, Rejection):
        _log.warning(
            "an association was rejected",
            called=request.called,
            calling=request.calling,
            address=connection.host,
            reason=peer.reason,
        )
        return _rejected(connection, peer)
    if not admit(connection):
        _log.warning("too many associations", address=connection.host)
        return _rejected(connection, ul.LOCAL_LIMIT)
    return _talk(desk, connection, peer, request)


def _rejected(connection: Connection, rejection: Rejection) -> str:
    connection.wire.write([ul.reject(rejection)])
    return "rejected"


def _admitted(desk: Desk, connection: Connection, request: AssociateRequest) -> Peer | Rejection:
    certificate = connection.wire.certificate()
    shown = hashlib.sha256(certificate).hexdigest() if certificate else ""
    caller = Caller(request.called, request.calling, connection.host, shown)
    try:
        return desk.wait(_let_in(desk, caller))
    except AeNotFound:
        return ul.CALLED_UNKNOWN
    except CallerRefused:
        return ul.CALLING_UNKNOWN
    except Busy:
        return ul.CONGESTION
    except Problem:
        return _OTHER_REASON


async def _let_in(desk: Desk, caller: Caller) -> Peer:
    async with desk.db.reading() as session:
        admitted = await aes.admit(session, caller)
        space = await aes.space_of(session, admitted)
    return Peer(caller.called, caller.calling, admitted, space)


def _talk(desk: Desk, connection: Connection, peer: Peer, request: AssociateRequest) -> str:
    private = desk.settings.private_classes
    agreed = agree(request.contexts, request.roles, peer.operations, private)
    answer = ul.AssociateAccept(
        agreed.decided, OWN_MAX_PDU, IMPLEMENTATION_UID, IMPLEMENTATION_NAME, agreed.roles
    )
    timers = desk.settings.timers()
    association = Association(connection.wire, agreed.contexts, request.max_pdu, timers)
    storing = Storing(desk, peer)
    association.before_release = storing.settle
    connection.wire.write([ul.encode_accept(answer, request.called, request.calling)])
    try:
        _messages(desk, peer, association, storing)
    except Released:
        return "released"
    except Aborted:
        return "aborted"
    finally:
        storing.settle()


def _messages(desk: Desk, peer: Peer, association: Association, storing: Storing) -> NoReturn:
    """Answer messages until the association ends (Released, Aborted, or an error)."""
    handlers = _handlers(desk, peer, storing)
    while True:
        context, command = association.next_command()
        name = _NAMES.get(command.kind, "other")
        handler = handlers.get((command.kind, _service(desk, context)), _refuse)
        if command.kind != dimse.C_STORE_RQ:
            storing.settle()  # a peer finds what it sent
        status = handler(association, context, command)
        OPERATIONS.labels(name, f"{status:04x}").inc()


def _service(desk: Desk, context: Context) -> str:
    """Return what stands for a context in the table of handlers: its class, or 'storage'."""
    private = desk.settings.private_classes
    return (
        "storage"
        if context.abstract in STORAGE or context.abstract in private
        else (context.abstract)
    )


def _handlers(desk: Desk, peer: Peer, storing: Storing) -> dict[tuple[int, str], Handler]:
    finding, retrieving = Finding(desk, peer), Retrieving(desk, peer)
    worklist, performing = Worklisting(desk, peer), Performing(desk, peer)
    committing = Committing(desk, peer)
    return {
        (dimse.C_ECHO_RQ, dimse.VERIFICATION): _echo,
        (dimse.C_STORE_RQ, "storage"): storing.handle,
        (dimse.C_FIND_RQ, dimse.PATIENT_ROOT_FIND): finding.handle,
        (dimse.C_FIND_RQ, dimse.STUDY_ROOT_FIND): finding.handle,
        (dimse.C_MOVE_RQ, dimse.PATIENT_ROOT_MOVE): retrieving.move,
        (dimse.C_MOVE_RQ, dimse.STUDY_ROOT_MOVE): retrieving.move,
        (dimse.C_GET_RQ, dimse.PATIENT_ROOT_GET): retrieving.get,
        (dimse.C_GET_RQ, dimse.STUDY_ROOT_GET): retrieving.get,
        (dimse.C_FIND_RQ, dimse.MODALITY_WORKLIST): worklist.handle,
        (dimse.N_CREATE_RQ, dimse.PERFORMED_STEP): performing.create,
        (dimse.N_SET_RQ, dimse.PERFORMED_STEP): performing.change,
        (dimse.N_ACTION_RQ, dimse.COMMITMENT): committing.asked,
        (dimse.N_EVENT_REPORT_RQ, dimse.COMMITMENT): committing.reported,
        (dimse.N_EVENT_REPORT_RQ | dimse.RESPONSE, dimse.COMMITMENT): committing.answered,
    }


def _echo(association: Association, context: Context, command: Command) -> int:
    if command.has_dataset:
        raise ProtocolError("a C-ECHO has no data set")
    association.send(context, dimse.answer_to(command, dimse.SUCCESS))
    return dimse.SUCCESS


def _refuse(association: Association, context: Context, command: Command) -> int:
    """Answer what this context does not do; a late C-CANCEL is passed over."""
    if command.has_dataset:
        body = Body(IDENTIFIER_BYTES, IDENTIFIER_BYTES)
        body.begin()
        association.read_body(context, body)
    if command.kind == dimse.C_CANCEL_RQ:
        return dimse.CANCELLED
    if command.kind & dimse.RESPONSE:
        raise ProtocolError("a response came to nothing we asked", ul.REASON_UNEXPECTED)
    association.send(context, dimse.answer_to(command, dimse.UNRECOGNIZED))
    return dimse.UNRECOGNIZED
