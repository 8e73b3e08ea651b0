# SPDX-License-Identifier: Apache-2.0
"""C-FIND of the modality worklist (PS3.4 annex K), answered in the query's character set."""

from collections.abc import AsyncIterator, Iterator

from healthvision.domains.archive.schemas import Json
from healthvision.domains.audit import service as audit
from healthvision.domains.integration import worklist
from healthvision.domains.integration.worklist_documents import MATCHED, answer
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import Identifier, read_identifier, write_data_set
from healthvision.interfaces.dimse.attributes import read_bytes
from healthvision.interfaces.dimse.desk import Desk, Peer
from healthvision.interfaces.dimse.finding import IDENTIFIER_BYTES, cancelled
from healthvision.interfaces.dimse.statuses import comment_of, status_of
from healthvision.kernel.errors import Problem

_AT_ONCE = 50  # entries fetched between two looks for a C-CANCEL


class Worklisting:
    """The worklist service of one association."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer

    def handle(self, association: Association, context: Context, command: Command) -> int:
        """Answer one query; returns the final status."""
        status, comment = dimse.SUCCESS, ""
        try:
            identifier = _read(association, context, command)
            status = self._answers(association, context, command, identifier)
        except DicomRefused as problem:
            status, comment = dimse.DATASET_MISMATCH, comment_of(problem)
        except Problem as problem:
            status, comment = status_of(problem), comment_of(problem)
        final = dimse.answer_to(command, status)
        final.comment = comment
        association.send(context, final)
        return status

    def _answers(
        self, association: Association, context: Context, command: Command, identifier: Identifier
    ) -> int:
        partly = bool(identifier.values.keys() - MATCHED)
        kind = dimse.PENDING_PARTLY if partly else dimse.PENDING
        pending = dimse.answer_to(command, kind, dataset=True)
        most = self._desk.settings.max_find_results
        charset = identifier.charset.split("\\")[0].strip()
        for number, document in enumerate(self._documents(identifier)):
            if most and number >= most:
                break
            if number % _AT_ONCE == 0 and cancelled(association, command):
                return dimse.CANCELLED
            shown = answer(document, identifier.asked, identifier.inside.get("00400100", {}))
            data = write_data_set(shown, context.syntax, charset)
            association.send(context, pending, [data], len(data))
        return dimse.SUCCESS

    def _documents(self, identifier: Identifier) -> Iterator[Json]:
        actor, space = self._peer.admitted.actor, self._peer.space
        self._desk.wait(self._record(identifier))
        found = worklist.find(self._desk.db, actor, space.id, identifier.values)
        while part := self._desk.wait(_take(found)):
            yield from part

    async def _record(self, identifier: Identifier) -> None:
        await audit.record_read(
            self._desk.db,
            self._peer.admitted.actor,
            "integration.worklist_searched",
            kind="worklist",
            space_id=self._peer.space.id,
            detail={"keys": ",".join(sorted(identifier.values))[:500]},
        )


async def _take(found: AsyncIterator[Json]) -> list[Json]:
    part: list[Json] = []
    async for document in found:
        part.append(document)
        if len(part) == _AT_ONCE:
            break
    return part


def _read(association: Association, context: Context, command: Command) -> Identifier:
    whole = read_bytes(association, context, command, IDENTIFIER_BYTES, "identifier")
    return read_identifier(whole, context.syntax)
