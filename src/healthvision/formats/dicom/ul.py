# SPDX-License-Identifier: Apache-2.0
"""The DICOM upper layer as bytes: protocol data units and their items (PS3.8 9.3, annex D).

Pure: it reads and writes buffers, ``association`` talks. Everything a peer sends is bounded and
checked; what is wrong raises ProtocolError.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
PROVIDER = 2  # source of an A-ABORT by us
REASON_UNSPECIFIED, REASON_UNRECOGNIZED, REASON_UNEXPECTED = 0, 1, 2
REASON_BAD_PARAMETER_VALUE = 6
ACCEPTED, USER_REJECTED, NO_REASON, NO_ABSTRACT, NO_SYNTAX = range(5)  # of a context
LARGEST_ASSOCIATE = 1 << 19
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_ITEM = struct.Struct(">BxH")
_HEAD = struct.Struct(">BxI")


class ProtocolError(Exception):
    """The peer breaks the protocol; ``reason`` goes into the A-ABORT (PS3.8 table 9-26)."""

    def __init__(self, message: str, reason: int = REASON_BAD_PARAMETER_VALUE) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proposed:
    """One presentation context as proposed: an odd number, a class, its transfer syntaxes."""

    number: int
    abstract: str
    syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a proposed context; ``result`` 0 means accepted with ``syntax``."""

    number: int
    result: int
    syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """Who may be SCU and SCP of a class: the requestor's side (PS3.7 D.3.3.4)."""

    abstract: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Credentials of the requestor (PS3.7 D.3.3.7); never logged."""

    kind: int
    respond: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ. ``max_pdu``: largest P-DATA body the requestor takes; 0: any."""

    called: str
    calling: str
    contexts: tuple[Proposed, ...]
    max_pdu: int
    implementation: str = ""
    version: str = ""
    roles: tuple[Role, ...] = ()
    identity: UserIdentity | None = None


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC."""

    contexts: tuple[Decided, ...]
    max_pdu: int
    implementation: str = ""
    version: str = ""
    roles: tuple[Role, ...] = ()
    identity_answered: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


CALLED_UNKNOWN = Rejection(1, 1, 7)
CALLING_UNKNOWN = Rejection(1, 1, 3)
CONTEXT_NAME_UNKNOWN = Rejection(1, 1, 2)
VERSION_UNKNOWN = Rejection(1, 2, 2)
LOCAL_LIMIT = Rejection(2, 3, 2)
CONGESTION = Rejection(2, 3, 1)


def pdu(kind: int, body: bytes) -> bytes:
    """Return a protocol data unit."""
    return _HEAD.pack(kind, len(body)) + body


def head_of(data: bytes | bytearray) -> tuple[int, int]:
    """Return type and length of the unit whose first six bytes are given."""
    kind, length = _HEAD.unpack_from(data)
    return kind, length


def reject(rejection: Rejection) -> bytes:
    """Return an A-ASSOCIATE-RJ."""
    return pdu(ASSOCIATE_RJ, bytes((0, rejection.result, rejection.source, rejection.reason)))


def abort(source: int, reason: int) -> bytes:
    """Return an A-ABORT."""
    return pdu(ABORT, bytes((0, 0, source, reason)))


def _item(kind: int, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body


def _title(text: str) -> bytes:
    return text.encode("ascii", "replace")[:16].ljust(16)


def _fixed(called: str, calling: str) -> bytes:
    return b"\x00\x01\x00\x00" + _title(called) + _title(calling) + bytes(32)


def encode_request(request: AssociateRequest) -> bytes:
    """Return an A-ASSOCIATE-RQ."""
    items = [_item(0x10, APPLICATION_CONTEXT.encode())]
    for context in request.contexts:
        body = bytes((context.number, 0, 0, 0)) + _item(0x30, context.abstract.encode())
        body += b"".join(_item(0x40, s.encode()) for s in context.syntaxes)
        items.append(_item(0x20, body))
    user = _user(request.max_pdu, request.implementation, request.version, request.roles)
    if request.identity is not None:
        user += _identity(request.identity)
    items.append(_item(0x50, user))
    return pdu(ASSOCIATE_RQ, _fixed(request.called, request.calling) + b"".join(items))


def encode_accept(answer: AssociateAccept, called: str, calling: str) -> bytes:
    """Return an A-ASSOCIATE-AC; the titles are those of the request."""
    items = [_item(0x10, APPLICATION_CONTEXT.encode())]
    for context in answer.contexts:
        body = bytes((context.number, 0, context.result, 0)) + _item(0x40, context.syntax.encode())
        items.append(_item(0x21, body))
    user = _user(answer.max_pdu, answer.implementation, answer.version, answer.roles)
    if answer.identity_answered:
        user += _item(0x59, b"\0\0")
    items.append(_item(0x50, user))
    return pdu(ASSOCIATE_AC, _fixed(called, calling) + b"".join(items))


def _user(max_pdu: int, implementation: str, version: str, roles: tuple[Role, ...]) -> bytes:
    out = _item(0x51, _U32.pack(max_pdu)) + _item(0x52, implementation.encode())
    for role in roles:
        uid = role.abstract.encode()
        out += _item(0x54, _U16.pack(len(uid)) + uid + bytes((role.scu, role.scp)))
    return out + (_item(0x55, version.encode()) if version else b"")


def _identity(identity: UserIdentity) -> bytes:
    values = b"".join(_U16.pack(len(v)) + v for v in (identity.primary, identity.secondary))
    return _item(0x58, bytes((identity.kind, identity.respond)) + values)


def _items(body: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    while start < len(body):
        if start + 4 > len(body):
            raise ProtocolError("an item is cut off")
        kind, length = _ITEM.unpack_from(body, start)
        start += 4
        if start + length > len(body):
            raise ProtocolError("an item is longer than its unit")
        yield kind, body[start : start + length]
        start += length


def _text(value: bytes) -> str:
    try:
        return value.rstrip(b"\0 ").decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("a UID or name is not ASCII") from None


def _ae(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


@dataclass(slots=True)
class _User:
    max_pdu: int = 0
    implementation: str = ""
    version: str = ""
    roles: list[Role] = field(default_factory=list)
    identity: UserIdentity | None = None
    identity_answered: bool = False


def _read_user(body: bytes) -> _User:
    user = _User()
    for kind, value in _items(body, 0):
        if kind == 0x51:
            if len(value) != 4:
                raise ProtocolError("the maximum length is not four bytes")
            (user.max_pdu,) = _U32.unpack(value)
        elif kind == 0x52:
            user.implementation = _text(value)
        elif kind == 0x54:
            user.roles.append(_read_role(value))
        elif kind == 0x55:
            user.version = _text(value)
        elif kind == 0x58:
            user.identity = _read_identity(value)
        elif kind == 0x59:
            user.identity_answered = True
    return user


def _read_role(value: bytes) -> Role:
    uid, rest = _counted(value)
    if len(rest) != 2:
        raise ProtocolError("a role selection is cut off")
    return Role(_text(uid), bool(rest[0]), bool(rest[1]))


def _read_identity(value: bytes) -> UserIdentity:
    if len(value) < 2:
        raise ProtocolError("a user identity is cut off")
    primary, rest = _counted(value[2:])
    return UserIdentity(value[0], bool(value[1]), primary, _counted(rest)[0])


def _counted(value: bytes) -> tuple[bytes, bytes]:
    if len(value) < 2:
        raise ProtocolError("a counted value is cut off")
    end = 2 + _U16.unpack_from(value)[0]
    if end > len(value):
        raise ProtocolError("a counted value is cut off")
    return value[2:end], value[end:]


def _check_fixed(body: bytes) -> None:
    if len(body) < 68:
        raise ProtocolError("an association unit is cut off")


def version_of(body: bytes) -> int:
    """Return the protocol versions a request names, as bits."""
    _check_fixed(body)
    return int(_U16.unpack_from(body)[0])


def decode_request(body: bytes) -> AssociateRequest:
    """Read the body of an A-ASSOCIATE-RQ."""
    _check_fixed(body)
    contexts: dict[int, Proposed] = {}
    user, name = _User(), ""
    for kind, value in _items(body, 68):
        if kind == 0x10:
            name = _text(value)
        elif kind == 0x20:
            context = _read_context(value)
            if context.number in contexts or context.number % 2 == 0:
                raise ProtocolError("presentation contexts need odd numbers of their own")
            contexts[context.number] = context
        elif kind == 0x50:
            user = _read_user(value)
    if name != APPLICATION_CONTEXT or not contexts:
        raise ProtocolError("no application or presentation context is proposed")
    return AssociateRequest(
        called=_ae(body[4:20]),
        calling=_ae(body[20:36]),
        contexts=tuple(contexts.values()),
        max_pdu=user.max_pdu,
        implementation=user.implementation,
        version=user.version,
        roles=tuple(user.roles),
        identity=user.identity,
    )


def _read_context(value: bytes) -> Proposed:
    if len(value) < 4:
        raise ProtocolError("a presentation context is cut off")
    abstract, syntaxes = "", []
    for kind, uid in _items(value, 4):
        if kind == 0x30:
            abstract = _text(uid)
        elif kind == 0x40:
            syntaxes.append(_text(uid))
    return Proposed(value[0], abstract, tuple(syntaxes))


def decode_accept(body: bytes) -> AssociateAccept:
    """Read the body of an A-ASSOCIATE-AC."""
    _check_fixed(body)
    contexts, user = [], _User()
    for kind, value in _items(body, 68):
        if kind == 0x21:
            if len(value) < 4:
                raise ProtocolError("a presentation context is cut off")
            syntax = next((_text(v) for k, v in _items(value, 4) if k == 0x40), "")
            contexts.append(Decided(value[0], value[2], syntax))
        elif kind == 0x50:
            user = _read_user(value)
    return AssociateAccept(
        tuple(contexts),
        user.max_pdu,
        user.implementation,
        user.version,
        tuple(user.roles),
        user.identity_answered,
    )


def decode_reject(body: bytes) -> Rejection:
    """Read the body of an A-ASSOCIATE-RJ."""
    if len(body) != 4:
        raise ProtocolError("a rejection is cut off")
    return Rejection(body[1], body[2], body[3])
