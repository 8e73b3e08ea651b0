# SPDX-License-Identifier: Apache-2.0
"""What happens to tasks and results when a study goes away."""

from healthvision.domains.analysis import repository, tasks
from healthvision.domains.archive.events import StudyDeleted, StudyPurged
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


async def on_study_deleted(session: Session, actor: Actor, event: StudyDeleted) -> None:
    """Cancel open tasks and hide the results of a deleted study. Safe to run twice."""
    await tasks.drop_study(session, actor, event.subject)


async def on_study_purged(session: Session, actor: Actor, event: StudyPurged) -> None:
    """Remove tasks, results and output rows of a purged study. Safe to run twice."""
    await repository.purge_study(session, event.org_id, event.subject)
