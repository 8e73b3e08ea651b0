# SPDX-License-Identifier: Apache-2.0
"""What the archive keeps in a process, from its start to its stop."""

from healthvision.domains.archive import ingest, recovery, sight
from healthvision.domains.archive.pack_reading import Documents
from healthvision.domains.archive.scrubbing import Cursor
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.thumbnails import PictureMaker
from healthvision.kernel.db import Database
from healthvision.kernel.settings import CoreSettings


async def start(db: Database, core: CoreSettings) -> None:
    """Put the room's resources into the process."""
    await sight.start(db, core)
    db.resources.put(PictureMaker, PictureMaker())
    db.resources.put(Cursor, Cursor())
    db.resources.put(Documents, Documents(ArchiveSettings().document_cache_bytes))
    await recovery.recover_at_start(db)


async def stop(db: Database) -> None:
    """End what was started."""
    await ingest.stop(db)
    db.resources.get(PictureMaker).close()
