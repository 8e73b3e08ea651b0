# SPDX-License-Identifier: Apache-2.0
"""The patients room and what it stands on."""

from collections.abc import Sequence

import pytest

from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.patients.ports import PatientSight
from healthvision.kernel.db import Database, Session
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings


class OpenSight:
    """An installation where no space is closed to anybody."""

    async def sight(self, _session: Session, _actor: Actor) -> None:
        """Hide nothing."""


async def _start(db: Database, _core: CoreSettings) -> None:
    db.resources.put(PatientSight, OpenSight())  # type: ignore[type-abstract]


@pytest.fixture
def modules() -> Sequence[Module]:
    """Return the rooms under test."""
    return (audit.MODULE, patients.MODULE, Module(name="sight", start=_start))
