# SPDX-License-Identifier: Apache-2.0
"""What the archive can vouch for: objects of a space, by SOP Instance UID."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from healthvision.domains.archive.tables import Instance, Study, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """A live object whose bytes are durable; ``sha256``: of its Part 10 file."""

    sop_uid: str
    sop_class_uid: str
    sha256: str


async def held_in(
    session: Session, actor: Actor, space: UUID | str, sop_uids: Collection[str]
) -> dict[str, Held]:
    """Return the objects of a space that are safe here, by SOP Instance UID.

    A row exists only when the bytes are durable (see ``ingest``); objects found damaged since are
    left out. Raises SpaceNotFound, Forbidden.
    """
    place = await spaces.get(session, actor, space)
    wanted = list(dict.fromkeys(sop_uids))
    found: dict[str, Held] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            select(Instance.sop_uid, Instance.sop_class_uid, Instance.sha256)
            .join(Study, Study.id == Instance.study_id)
            .join(StudySpaceRow, StudySpaceRow.study_id == Study.id)
            .where(
                Instance.org_id == actor.org_id,
                Instance.sop_uid.in_(wanted[start : start + _AT_ONCE]),
                Instance.current.is_(True),
                Instance.deleted_at.is_(None),
                Instance.damaged_at.is_(None),
                Instance.sha256 != "",
                Study.deleted_at.is_(None),
                StudySpaceRow.space_id == place.id,
            )
        )
        for uid, sop_class, digest in (await session.execute(query)).all():
            found[uid] = Held(uid, sop_class, digest)
    return found
