# SPDX-License-Identifier: Apache-2.0
"""The two messages of storage commitment on an association we opened (PS3.4 J.3)."""

from healthvision.domains.integration.ports import PushFailed
from healthvision.formats.dicom import dimse, scu
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.commitments import (
    ASK,
    CommitmentReport,
    CommitmentRequest,
    read_report,
    report_command,
    report_document,
    request_document,
)
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import read_data_set, write_data_set
from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.ul import Proposed, ProtocolError, Role

CONTEXTS = (Proposed(1, dimse.COMMITMENT, (EXPLICIT_LE, IMPLICIT_LE)),)
AS_PROVIDER = (Role(dimse.COMMITMENT, scu=False, scp=True),)
REPORT_WAIT_S = 3.0
_REPORT_BYTES = 32 << 20


def ask(association: Association, request: CommitmentRequest) -> CommitmentReport | None:
    """Send a request; return the report if it comes within a few seconds. Raises PushFailed."""
    context = _context(association)
    data = write_data_set(request_document(request), context.syntax)
    command = Command(
        dimse.N_ACTION_RQ,
        association.next_id(),
        requested_class=dimse.COMMITMENT,
        requested_instance=dimse.COMMITMENT_INSTANCE,
        action_type=ASK,
        dataset_type=dimse.HAS_DATASET,
    )
    association.send(context, command, [data], len(data))
    status = scu.answer_of(association, command)
    if status != dimse.SUCCESS:
        raise PushFailed(f"storage commitment was refused with status {status:04X}")
    return _report(association) if association.wire.readable(REPORT_WAIT_S) else None


def _report(association: Association) -> CommitmentReport:
    context, command = association.next_command()
    if command.kind != dimse.N_EVENT_REPORT_RQ or not command.has_dataset:
        raise ProtocolError("something else came than a report")
    body = Body(_REPORT_BYTES, _REPORT_BYTES)
    body.begin()
    association.read_body(context, body)
    whole = body.whole()
    try:
        if not isinstance(whole, bytes):
            raise DicomRefused("commitment", "The report is too long.")
        report = read_report(read_data_set(whole, context.syntax))
    except DicomRefused as refused:
        association.send(context, dimse.answer_to(command, dimse.BAD_ARGUMENT))
        raise PushFailed("the storage commitment report cannot be read") from refused
    association.send(context, dimse.answer_to(command, dimse.SUCCESS))
    return report


def tell(association: Association, report: CommitmentReport) -> None:
    """Send a report to the AE that asked; raises PushFailed."""
    context = _context(association)
    data = write_data_set(report_document(report), context.syntax)
    command = report_command(association.next_id(), report)
    association.send(context, command, [data], len(data))
    status = scu.answer_of(association, command)
    if status != dimse.SUCCESS:
        raise PushFailed(f"the report was answered with status {status:04X}")


def _context(association: Association) -> Context:
    context = association.context_for(dimse.COMMITMENT)
    if context is None:
        raise PushFailed("the receiver has no storage commitment")
    return context
