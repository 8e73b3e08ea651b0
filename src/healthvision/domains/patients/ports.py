# SPDX-License-Identifier: Apache-2.0
"""What the patients room needs from above: where the studies of a patient lie."""

from typing import Protocol
from uuid import UUID

from sqlalchemy.sql.elements import ColumnElement, SQLColumnExpression

from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


class Sight(Protocol):
    """SQL conditions that keep what the caller may not see out of a query."""

    def of_patient(self, patient_ref: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
        """Return the condition that a patient has a study which the caller may read."""
        ...

    def of_study(self, study_uid: SQLColumnExpression[str]) -> ColumnElement[bool]:
        """Return the condition that the caller may read the study of a UID."""
        ...


class PatientSight(Protocol):
    """Tells what callers may see of patients; the archive provides it."""

    async def sight(self, session: Session, actor: Actor) -> Sight | None:
        """Return the caller's sight; None: nothing is hidden from the caller."""
        ...
