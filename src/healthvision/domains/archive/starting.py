# SPDX-License-Identifier: Apache-2.0
"""What the archive keeps in a process, from its start to its stop."""

from functools import partial

from healthvision.domains.archive.hearing import Hearing
from healthvision.domains.archive.keeping import upkeep
from healthvision.domains.archive.packing.pack_reading import Documents
from healthvision.domains.archive.receiving import ingest
from healthvision.domains.archive.receiving.debts import Payer
from healthvision.domains.archive.records import sight
from healthvision.domains.archive.recovering import recovery
from healthvision.domains.archive.recovering.replaying import Replays
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.uploading.uploads import check_put
from healthvision.domains.notify.ports import EventGuard
from healthvision.domains.storage import service as storage
from healthvision.kernel.db import Database
from healthvision.kernel.idempotency import ReplayGuard
from healthvision.kernel.settings import CoreSettings


async def start(db: Database, core: CoreSettings) -> None:
    """Put the room's resources into the process."""
    await sight.start(db, core)
    await upkeep.start(db, core)
    db.resources.put(EventGuard, Hearing())  # type: ignore[type-abstract]
    db.resources.put(ReplayGuard, Replays())  # type: ignore[type-abstract]
    storage.guard_puts(db, partial(check_put, db))
    db.resources.put(Documents, Documents(ArchiveSettings().document_cache_bytes))
    db.resources.put(Payer, Payer(recovery.pay))
    await recovery.recover_at_start(db)


async def stop(db: Database) -> None:
    """End what was started."""
    await ingest.stop(db)
    await upkeep.stop(db)
