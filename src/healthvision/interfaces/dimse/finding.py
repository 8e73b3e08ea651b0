# SPDX-License-Identifier: Apache-2.0
"""C-FIND in patient root and study root (PS3.4 annex C.4.1), answered page by page."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import ArchiveQuery, Found, FoundItem, Json, SearchLevel
from healthvision.domains.audit import service as audit
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import Identifier, read_identifier, write_data_set
from healthvision.formats.dicom.ul import ProtocolError
from healthvision.interfaces.dimse.attributes import read_bytes
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.kernel.errors import Problem
from healthvision.kernel.hotread import reader_of

PAGE = 500
IDENTIFIER_BYTES = 1 << 20
_LOOK_EVERY = 16  # answers between two looks for a C-CANCEL
_PATIENT_KEYS = ("00100010", "00100020", "00100021", "00100030", "00100032", "00100040")
_LEVELS: dict[str, SearchLevel] = {
    "PATIENT": "study",
    "STUDY": "study",
    "SERIES": "series",
    "IMAGE": "instance",
}
UNIQUE_KEYS = {
    "PATIENT": ("00100020",),
    "STUDY": ("0020000D",),
    "SERIES": ("0020000D", "0020000E"),
    "IMAGE": ("0020000D", "0020000E", "00080018"),
}
_PATIENT_ROOT = (dimse.PATIENT_ROOT_FIND, dimse.PATIENT_ROOT_MOVE, dimse.PATIENT_ROOT_GET)


class LevelUnknown(DicomRefused):
    """The Query/Retrieve Level is none of the information model."""

    code, title = "query-level", "Query level not supported"


@dataclass(frozen=True, slots=True)
class Question:
    """A C-FIND as the archive understands it. ``partly``: some keys are not matched."""

    level: str
    search: SearchLevel
    query: ArchiveQuery
    identifier: Identifier
    partly: bool


def read_query(association: Association, context: Context, command: Command) -> Identifier:
    """Read the identifier behind a query command; raises DicomRefused, LevelUnknown."""
    whole = read_bytes(association, context, command, IDENTIFIER_BYTES, "identifier")
    identifier = read_identifier(whole, context.syntax)
    root = context.abstract in _PATIENT_ROOT
    if identifier.level not in _LEVELS or (identifier.level == "PATIENT" and not root):
        raise LevelUnknown("level", "There is no such query level.")
    return identifier


def question_of(identifier: Identifier) -> Question:
    """Return what is searched for an identifier."""
    search = _LEVELS[identifier.level]
    known = {k: v for k, v in identifier.values.items() if archive.searchable(search, k)}
    partly = len(known) < len(identifier.values)
    query = ArchiveQuery(known, limit=PAGE)
    return Question(identifier.level, search, query, identifier, partly)


class Finding:
    """The C-FIND service of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer

    def handle(self, association: Association, context: Context, command: Command) -> int:
        """Answer one query; returns the final status."""
        status, comment = dimse.SUCCESS, ""
        try:
            question = question_of(read_query(association, context, command))
            status = self._answers(association, context, command, question)
        except LevelUnknown as problem:
            status, comment = dimse.DATASET_MISMATCH, comment_of(problem)
        except Problem as problem:
            status, comment = status_of(problem), comment_of(problem)
        final = dimse.answer_to(command, status)
        final.comment = comment
        association.send(context, final)
        return status

    def _answers(
        self, association: Association, context: Context, command: Command, question: Question
    ) -> int:
        pending = dimse.PENDING_PARTLY if question.partly else dimse.PENDING
        answer = dimse.answer_to(command, pending, dataset=True)
        most = self._desk.settings.max_find_results
        for number, item in enumerate(self._items(question)):
            if most and number >= most:
                break
            if number % _LOOK_EVERY == 0 and cancelled(association, command):
                return dimse.CANCELLED
            data = write_data_set(self._document(question, item), context.syntax)
            association.send(context, answer, [data], len(data))
        return dimse.SUCCESS

    def _items(self, question: Question) -> Iterator[FoundItem]:
        found = self._desk.wait(self._begun(question))
        seen: set[tuple[str, str]] = set()
        while True:
            for item in found.items:
                if question.level != "PATIENT" or _first_of_patient(item, seen):
                    yield item
            if found.next is None:
                return
            found = self._desk.wait(self._page(question, found.next))

    async def _begun(self, question: Question) -> Found:
        await self._record(question)
        return await self._page(question, None)

    async def _record(self, question: Question) -> None:
        await audit.record_read(
            self._desk.db,
            self._peer.admitted.actor,
            "archive.searched",
            kind=question.search,
            space_id=self._peer.space.id,
            detail={"keys": ",".join(sorted(question.query.filters))},
        )

    async def _page(self, question: Question, cursor: str | None) -> Found:
        query = ArchiveQuery(question.query.filters, limit=PAGE, cursor=cursor)
        actor, space = self._peer.admitted.actor, self._peer.space

        def work(connection: Connection) -> Found:
            return archive.find_on(connection, actor, space, question.search, query)

        return await reader_of(self._desk.db).run(work)

    def _document(self, question: Question, item: FoundItem) -> Json:
        asked = {tag: {"vr": vr} for tag, vr in question.identifier.asked.items()}
        shown = dict.fromkeys((*asked, *UNIQUE_KEYS[question.level]))
        if question.level == "PATIENT":
            shown = {t: None for t in shown if t in _PATIENT_KEYS}
        document: Json = {
            **asked,
            **item.attributes(shown),
            "00080052": {"vr": "CS", "Value": [question.level]},
            "00080054": {"vr": "AE", "Value": [self._peer.called]},
        }
        if "00080056" in asked:
            document["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
        return document


def _first_of_patient(item: FoundItem, seen: set[tuple[str, str]]) -> bool:
    document = item.attributes(("00100020", "00100021"))
    patient, issuer = (
        str((document.get(t, {}).get("Value") or [""])[0]) for t in ("00100020", "00100021")
    )
    if (patient, issuer) in seen:
        return False
    seen.add((patient, issuer))
    return True


def cancelled(association: Association, request: Command) -> bool:
    """Tell whether the peer cancelled the request; nothing else may come now."""
    came = association.poll_command()
    if came is None:
        return False
    if came[1].kind != dimse.C_CANCEL_RQ:
        raise ProtocolError("a request came before the answer to another", 2)
    return came[1].answers == request.message
