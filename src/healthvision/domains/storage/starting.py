# SPDX-License-Identifier: Apache-2.0
"""What the storage room keeps in a process, from its start on."""

from healthvision.domains.storage.settings import StorageSettings
from healthvision.domains.storage.vault import Vault, open_stores
from healthvision.kernel.crypto import UrlSigner
from healthvision.kernel.db import Database
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.settings import CoreSettings


async def start(db: Database, core: CoreSettings) -> None:
    """Open the configured stores and derive the room's keys from the master key."""
    settings = StorageSettings()
    if not db.resources.has(MasterKey):
        key = MasterKey.load_or_create(core.master_key_file, data_dir=core.data_dir)
        db.resources.put(MasterKey, key)
    master = db.resources.get(MasterKey)
    spool = core.data_dir / "spool"
    vault = Vault(
        stores=open_stores(settings, core.data_dir, spool),
        write_to=settings.write_to,
        stage_in=settings.stage_in,
        encrypt=settings.encrypt,
        wrapping_key=master.derive(b"storage.wrapping"),
        signer=UrlSigner(master.derive(b"storage.urls")),
        public_url=core.public_url.rstrip("/"),
        scratch=settings.scratch_dir or core.data_dir / "scratch",
        spool=spool,
    )
    db.resources.put(Vault, vault)
