# SPDX-License-Identifier: Apache-2.0
"""What a caller may see of patients: nobody is known from a restricted space alone."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.sql.elements import ColumnElement, SQLColumnExpression

from healthvision.domains.archive.tables import Study, StudySpaceRow
from healthvision.domains.patients.ports import PatientSight
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Database, Session
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class SpacesSight:
    """Sight of the live studies of an organisation that lie in at least one of some spaces."""

    org_id: UUID
    space_ids: Collection[UUID]

    def _readable(self) -> tuple[ColumnElement[bool], ...]:
        return (
            Study.org_id == self.org_id,
            Study.deleted_at.is_(None),
            StudySpaceRow.study_id == Study.id,
            StudySpaceRow.space_id.in_(self.space_ids),
        )

    def of_patient(self, patient_ref: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
        """Return the condition that a patient has such a study."""
        return exists().where(Study.patient_ref == patient_ref, *self._readable())

    def of_study(self, study_uid: SQLColumnExpression[str]) -> ColumnElement[bool]:
        """Return the condition that a study UID is of such a study."""
        return exists().where(Study.study_uid == study_uid, *self._readable())


async def patient_of(session: Session, actor: Actor, study_id: UUID) -> UUID | None:
    """Return whose a study is, for the log; None when the organisation has no such study.

    Not for answers: whether the caller may see the study was asked before.
    """
    mine = (Study.org_id == actor.org_id, Study.id == study_id)
    return await session.scalar(select(Study.patient_ref).where(*mine))


class ArchiveSight:
    """Open spaces are seen by everybody who may read patients, restricted ones by their readers.

    As soon as one space is closed to the caller, patients without a live study are not shown
    either: their study may have been there.
    """

    async def sight(self, session: Session, actor: Actor) -> SpacesSight | None:
        """Return the sight of the caller; None when no space is closed to them."""
        readable = {s.id for s in await spaces.visible(session, actor)}
        everything = await spaces.policies(session, actor.org_id)
        seen = {i for i, space in everything.items() if not space.restricted or i in readable}
        return None if len(seen) == len(everything) else SpacesSight(actor.org_id, seen)


async def start(db: Database, _core: CoreSettings) -> None:
    """Offer the sight to the patients room."""
    db.resources.put(PatientSight, ArchiveSight())  # type: ignore[type-abstract]
