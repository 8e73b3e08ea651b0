# SPDX-License-Identifier: Apache-2.0
"""What keeps the archive in order, apart from the way in: its periodic work under one lease.

It imports none of the doors and of the rules for people, so that a process of its own for it
(``app/upkeep.py``) stays small.
"""

from healthvision.domains.archive.keeping import compaction, scrubbing, sweeping
from healthvision.domains.archive.keeping.scrubbing import Cursor
from healthvision.domains.archive.lifecycle import completeness
from healthvision.domains.archive.lifecycle.completeness import UPKEEP
from healthvision.domains.archive.packing import sealing
from healthvision.domains.archive.packing.sealing import holder
from healthvision.domains.archive.packing.thumbnails import PictureMaker
from healthvision.kernel.db import Database
from healthvision.kernel.jobs import JobContext, Periodic
from healthvision.kernel.settings import CoreSettings

LATE_S = 4.0
__all__ = ["PERIODICS", "UPKEEP", "holder", "start", "stop"]


async def seal_series(context: JobContext) -> None:
    """Put the instances of quiet series into one object each."""
    await sealing.seal_quiet_series(context.db)


async def seal_due(context: JobContext) -> None:
    """Seal studies that are due, the newest first."""
    await completeness.seal_newest_dues(context.db)


async def seal_due_late(context: JobContext) -> None:
    """Do the same for those that wait for long, since one very large study is being sealed."""
    await completeness.seal_newest_dues(context.db, waited_s=LATE_S)


async def sweep_orphans(context: JobContext) -> None:
    """Remove objects that no row names."""
    await sweeping.sweep_orphans(context.db)


async def remove_spent(context: JobContext) -> None:
    """Remove replaced objects and journal segments nobody points into."""
    await sweeping.delete_retired(context.db)
    await sweeping.remove_spent_segments(context.db)


async def compact(context: JobContext) -> None:
    """Put series in many objects, or with much garbage, into one object each."""
    await compaction.compact(context.db)


async def scrub(context: JobContext) -> None:
    """Check stored bytes against their digests."""
    await scrubbing.scrub(context.db)


PERIODICS = (
    Periodic("archive.seal_series", 1.0, seal_series, UPKEEP),
    Periodic("archive.seal_due", 1.0, seal_due, UPKEEP),
    Periodic("archive.seal_due_late", 1.0, seal_due_late, UPKEEP),
    Periodic("archive.sweep_orphans", 3600.0, sweep_orphans, UPKEEP),
    Periodic("archive.remove_spent", 30.0, remove_spent, UPKEEP),
    Periodic("archive.compact", 300.0, compact, UPKEEP),
    Periodic("archive.scrub", scrubbing.SCRUB_EVERY_S, scrub, UPKEEP),
)


async def start(db: Database, _core: CoreSettings) -> None:
    """Put into the process what this work needs."""
    db.resources.put(PictureMaker, PictureMaker())
    db.resources.put(Cursor, Cursor())


async def stop(db: Database) -> None:
    """End what was started."""
    db.resources.get(PictureMaker).close()
