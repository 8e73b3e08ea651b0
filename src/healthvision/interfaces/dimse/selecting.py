# SPDX-License-Identifier: Apache-2.0
"""Which stored instances a C-MOVE or C-GET identifier names (PS3.4 C.4.2.1.4, C.4.3.1.3)."""

import re

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.schemas import ArchiveQuery, InstanceRef
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import Identifier
from healthvision.interfaces.dimse.desk import Peer
from healthvision.kernel.db import Database, Session

_NEEDED = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_WILD = re.compile(r"[*?]")
_PAGE = 500


async def select(db: Database, peer: Peer, identifier: Identifier) -> list[InstanceRef]:
    """Return the instances an identifier names, in reading order; none when nothing matches.

    Raises DicomRefused when the unique key of its level is missing or has wildcards.
    """
    needed = _NEEDED[identifier.level]
    if not identifier.values.get(needed) or any(
        _WILD.search(identifier.values.get(key, "")) for key in _NEEDED.values()
    ):
        raise DicomRefused("identifier", "The unique key of the level is missing.", field=needed)
    async with db.reading() as session:
        studies = _listed(identifier, "StudyInstanceUID")
        if not studies:
            studies = await _studies(session, peer, identifier)
        found: list[InstanceRef] = []
        for study in studies:
            found += await _of_study(session, peer, study, identifier)
    return await archive.corrected(db, found)


def _listed(identifier: Identifier, keyword: str) -> list[str]:
    return [v.strip() for v in identifier.values.get(keyword, "").split("\\") if v.strip()]


async def _studies(session: Session, peer: Peer, identifier: Identifier) -> list[str]:
    """Return the studies in which the identifier's patient, series or instances are."""
    keyword = _NEEDED[identifier.level]
    search = {"PATIENT": archive.find_studies, "SERIES": archive.find_series}
    find = search.get(identifier.level, archive.find_instances)
    filters, cursor = {keyword: identifier.values[keyword]}, None
    uids: dict[str, None] = {}
    while True:
        query = ArchiveQuery(filters, limit=_PAGE, cursor=cursor)
        found = await find(session, peer.admitted.actor, peer.space.id, query)
        uids |= dict.fromkeys(str(item.json["0020000D"]["Value"][0]) for item in found.items)
        cursor = found.next
        if cursor is None:
            return list(uids)


async def _of_study(
    session: Session, peer: Peer, study_uid: str, identifier: Identifier
) -> list[InstanceRef]:
    below = identifier.level in ("SERIES", "IMAGE")
    series = _listed(identifier, "SeriesInstanceUID") if below else []
    instances = set(_listed(identifier, "SOPInstanceUID")) if identifier.level == "IMAGE" else set()
    found: list[InstanceRef] = []
    parts: list[str | None] = [*series] or [None]
    for series_uid in parts:
        sop_uid = next(iter(instances)) if len(instances) == 1 else None
        try:
            found += await archive.locate(
                session, peer.admitted.actor, peer.space.id, study_uid, series_uid, sop_uid
            )
        except StudyNotFound:
            continue
    return [ref for ref in found if not instances or ref.sop_uid in instances]
