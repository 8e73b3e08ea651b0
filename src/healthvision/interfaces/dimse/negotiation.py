# SPDX-License-Identifier: Apache-2.0
"""Which proposed presentation contexts are accepted, and for what."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary

from healthvision.domains.spaces.schemas import Operation
from healthvision.formats.dicom import dimse, ul
from healthvision.formats.dicom.association import Context
from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.ul import Decided, Proposed, Role

_QUERY: Mapping[str, Operation] = {
    dimse.PATIENT_ROOT_FIND: "find",
    dimse.STUDY_ROOT_FIND: "find",
    dimse.PATIENT_ROOT_MOVE: "move",
    dimse.STUDY_ROOT_MOVE: "move",
    dimse.PATIENT_ROOT_GET: "get",
    dimse.STUDY_ROOT_GET: "get",
    dimse.MODALITY_WORKLIST: "find",
}
# Who may use an N-service; 'receive': our destinations, which report storage commitment to us.
_SERVICES: Mapping[str, tuple[Operation, ...]] = {
    dimse.PERFORMED_STEP: ("store",),
    dimse.COMMITMENT: ("store", "receive"),
}
_PLAIN = (EXPLICIT_LE, IMPLICIT_LE)


# Registered after the edition that the dictionary of pydicom was made from (PS3.6 2025).
_NEWER_SYNTAXES: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
_NEWER_CLASSES: Mapping[str, str] = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}
_NO_FILES = ("SMPTE", "XML Encoding", "RFC 2557", "Papyrus")  # streams, texts: no Part 10 objects
_NO_STORAGE = ("Commitment", "Directory", "Service")


def _registered(kind: str, newer: Mapping[str, str]) -> dict[str, str]:
    old = {uid: str(entry[0]) for uid, entry in UID_dictionary.items() if entry[1] == kind}
    return {**old, **newer}


# Transfer syntaxes and storage SOP classes that are taken: UID -> name.
SYNTAXES: Mapping[str, str] = {
    uid: name
    for uid, name in _registered("Transfer Syntax", _NEWER_SYNTAXES).items()
    if not any(word in name for word in _NO_FILES)
}
STORAGE: Mapping[str, str] = {
    uid: name
    for uid, name in _registered("SOP Class", _NEWER_CLASSES).items()
    if "Storage" in name and not any(word in name for word in _NO_STORAGE)
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """The outcome: the answer to each context, the contexts to use, the roles answered."""

    decided: tuple[Decided, ...]
    contexts: Mapping[int, Context]
    roles: tuple[Role, ...]


def agree(
    proposed: Sequence[Proposed],
    roles: Iterable[Role],
    operations: Collection[Operation],
    private: Collection[str] = (),
) -> Agreement:
    """Decide on each proposed context.

    Storage contexts are accepted for C-STORE to us ('store'), and for C-GET ('get') when the
    requestor selected the SCP role. The first syntax proposed that we know is taken; for C-GET an
    uncompressed one, which every stored object can be turned into.
    """
    wanted = {r.abstract: r for r in roles}
    decided, contexts = [], {}
    answered: dict[str, Role] = {}
    for one in proposed:
        role = wanted.get(one.abstract)
        stored = one.abstract not in _SERVICES
        gets = stored and role is not None and role.scp and "get" in operations
        result = _judge(one, operations, private, gets=gets)
        syntax = _chosen(one, gets=gets) if result == ul.ACCEPTED else None
        if result == ul.ACCEPTED and syntax is None:
            result = ul.NO_SYNTAX
        decided.append(Decided(one.number, result, syntax or IMPLICIT_LE))
        if syntax is None:
            continue
        contexts[one.number] = Context(one.number, one.abstract, syntax, stores=gets)
        if role is not None:
            stores = "store" in operations or (stored and one.abstract not in STORAGE)
            serves = gets or (one.abstract == dimse.COMMITMENT and "receive" in operations)
            answered[one.abstract] = Role(one.abstract, role.scu and stores, role.scp and serves)
    return Agreement(tuple(decided), contexts, tuple(answered.values()))


def _judge(
    one: Proposed, operations: Collection[Operation], private: Collection[str], *, gets: bool
) -> int:
    if one.abstract == dimse.VERIFICATION:
        return ul.ACCEPTED
    if one.abstract in _QUERY:
        return ul.ACCEPTED if _QUERY[one.abstract] in operations else ul.USER_REJECTED
    if one.abstract in _SERVICES:
        allowed = any(o in operations for o in _SERVICES[one.abstract])
        return ul.ACCEPTED if allowed else ul.USER_REJECTED
    if one.abstract in STORAGE or one.abstract in private:
        return ul.ACCEPTED if gets or "store" in operations else ul.USER_REJECTED
    return ul.NO_ABSTRACT


def _chosen(one: Proposed, *, gets: bool) -> str | None:
    if one.abstract == dimse.VERIFICATION or one.abstract in (*_QUERY, *_SERVICES):
        return next((s for s in _PLAIN if s in one.syntaxes), None)
    if gets and (plain := next((s for s in _PLAIN if s in one.syntaxes), None)):
        return plain
    return next((s for s in one.syntaxes if s in SYNTAXES), None)
