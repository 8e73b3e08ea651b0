# SPDX-License-Identifier: Apache-2.0
"""DIMSE command sets as bytes (PS3.7 6.3, 9.3, 10.3, annex E), in implicit VR little endian."""

import struct
from dataclasses import dataclass

from healthvision.formats.dicom.ul import ProtocolError

C_STORE_RQ, C_GET_RQ, C_FIND_RQ, C_MOVE_RQ, C_ECHO_RQ = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
C_CANCEL_RQ = 0x0FFF
N_EVENT_REPORT_RQ, N_SET_RQ, N_ACTION_RQ, N_CREATE_RQ = 0x0100, 0x0120, 0x0130, 0x0140
RESPONSE = 0x8000
NO_DATASET = 0x0101
HAS_DATASET = 0x0001
LARGEST_COMMAND = 1 << 16

VERIFICATION = "1.2.840.10008.1.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"

SUCCESS, CANCELLED = 0x0000, 0xFE00
PENDING, PENDING_PARTLY = 0xFF00, 0xFF01
OUT_OF_RESOURCES, NO_COUNT, SUBOPERATIONS_FAILED = 0xA700, 0xA701, 0xA702
DESTINATION_UNKNOWN, DATASET_MISMATCH, CANNOT_UNDERSTAND = 0xA801, 0xA900, 0xC000
SOME_FAILED = 0xB000
PROCESSING_FAILURE, CLASS_NOT_SUPPORTED = 0x0110, 0x0122
NOT_AUTHORIZED, UNRECOGNIZED, BAD_ARGUMENT = 0x0124, 0x0211, 0x0115
BAD_VALUE, DUPLICATE_INSTANCE, NO_SUCH_INSTANCE = 0x0106, 0x0111, 0x0112
NO_SUCH_EVENT, NO_SUCH_ACTION = 0x0113, 0x0123

_UIDS = {0x0002: "affected_class", 0x0003: "requested_class"}
_UIDS |= {0x1000: "affected_instance", 0x1001: "requested_instance"}
_TEXTS = {0x0600: "destination", 0x0902: "comment", 0x1030: "originator"}
_NUMBERS = {
    0x0100: "kind",
    0x0110: "message",
    0x0120: "answers",
    0x0700: "priority",
    0x0800: "dataset_type",
    0x0900: "status",
    0x1020: "remaining",
    0x1021: "completed",
    0x1022: "failed",
    0x1023: "warned",
    0x1031: "originator_message",
    0x1002: "event_type",
    0x1008: "action_type",
}
_ELEMENTS = sorted((tag, name) for d in (_UIDS, _TEXTS, _NUMBERS) for tag, name in d.items())
_HEAD = struct.Struct("<HHI")
_NUMBER = struct.Struct("<HHIH")


@dataclass(slots=True)
class Command:
    """A command set; None and '' are absent. ``answers``: the message this one responds to."""

    kind: int
    message: int | None = None
    answers: int | None = None
    affected_class: str = ""
    requested_class: str = ""
    affected_instance: str = ""
    requested_instance: str = ""
    priority: int | None = None
    dataset_type: int | None = NO_DATASET
    status: int | None = None
    destination: str = ""
    comment: str = ""
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warned: int | None = None
    originator: str = ""
    originator_message: int | None = None
    event_type: int | None = None
    action_type: int | None = None

    @property
    def has_dataset(self) -> bool:
        """Tell whether a data set follows."""
        return self.dataset_type != NO_DATASET


def encode(command: Command) -> bytes:
    """Return the command set with its group length."""
    parts = []
    for tag, name in _ELEMENTS:
        value = getattr(command, name)
        if value is None or value == "":
            continue
        if isinstance(value, int):
            parts.append(_NUMBER.pack(0, tag, 2, value))
            continue
        raw = value.encode("ascii", "replace")
        if len(raw) % 2:
            raw += b"\0" if tag in _UIDS else b" "
        parts.append(_HEAD.pack(0, tag, len(raw)) + raw)
    body = b"".join(parts)
    return _HEAD.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def decode(data: bytes) -> Command:
    """Read a command set; raises ProtocolError. Elements we do not use are skipped."""
    command, position = Command(0, dataset_type=None), 0
    while position < len(data):
        if position + 8 > len(data):
            raise ProtocolError("a command element is cut off")
        group, tag, length = _HEAD.unpack_from(data, position)
        position += 8
        value = data[position : position + length]
        if group != 0 or len(value) != length:
            raise ProtocolError("a command element is longer than the command")
        position += length
        if tag in _NUMBERS and length == 2:
            setattr(command, _NUMBERS[tag], int.from_bytes(value, "little"))
        elif tag in _UIDS:
            setattr(command, _UIDS[tag], value.rstrip(b"\0 ").decode("latin-1"))
        elif tag in _TEXTS:
            setattr(command, _TEXTS[tag], value.decode("latin-1").strip(" \0"))
    if not command.kind or command.dataset_type is None:
        raise ProtocolError("a command names no kind or data set type")
    return command


def answer_to(request: Command, status: int, *, dataset: bool = False) -> Command:
    """Return the response to a request."""
    return Command(
        request.kind | RESPONSE,
        answers=request.message or 0,
        affected_class=request.affected_class or request.requested_class,
        affected_instance=request.affected_instance or request.requested_instance,
        dataset_type=HAS_DATASET if dataset else NO_DATASET,
        status=status,
    )
