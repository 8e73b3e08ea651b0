# SPDX-License-Identifier: Apache-2.0
"""The process's stores and keys: everything the room needs that outlives a request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from healthvision.domains.storage.errors import StoreUnavailable
from healthvision.domains.storage.folder import FolderStore
from healthvision.domains.storage.ports import ObjectStore
from healthvision.domains.storage.remote import RemoteStore, memory_store, s3_store
from healthvision.domains.storage.settings import StorageSettings, StoreConfig
from healthvision.kernel.crypto import UrlSigner

JOURNAL = "journal"
PutGuard = Callable[[UUID, str], Awaitable[None]]  # (organisation, staged name)


@dataclass(slots=True)
class Vault:
    """Stores by name, the master key's derived keys, and the organisation keys seen so far."""

    stores: dict[str, ObjectStore]
    write_to: str
    stage_in: str
    encrypt: bool
    wrapping_key: bytes
    signer: UrlSigner
    public_url: str
    scratch: Path
    spool: Path  # the journals; also readable as the store JOURNAL
    keys: dict[UUID, bytes] = field(default_factory=dict)  # key id -> organisation key
    newest: dict[UUID, UUID] = field(default_factory=dict)  # organisation -> key id
    put_guard: PutGuard | None = None  # asked before bytes are taken at a signed URL

    def store(self, name: str) -> ObjectStore:
        """Return a store; raises StoreUnavailable when it is not configured any more."""
        found = self.stores.get(name)
        if found is None:
            raise StoreUnavailable(f"the object store {name!r} is not configured", store=name)
        return found


def open_store(name: str, config: StoreConfig, data_dir: Path) -> ObjectStore:
    """Open one store; raises StoreUnavailable for an address of an unknown kind."""
    url = urlsplit(config.url)
    if not config.url:
        return FolderStore(name, data_dir / ("objects" if name == "main" else f"objects-{name}"))
    if url.scheme == "file":
        return FolderStore(name, Path(url.path))
    if url.scheme == "s3":
        return RemoteStore(name, s3_store(url.netloc, url.path.strip("/"), config))
    if url.scheme == "memory":
        return memory_store(name)
    raise StoreUnavailable(f"HV_STORAGE_URL: unknown kind of store {url.scheme!r}")


def open_stores(settings: StorageSettings, data_dir: Path, spool: Path) -> dict[str, ObjectStore]:
    """Open all configured stores and the one of the journals."""
    if JOURNAL in settings.stores:
        raise StoreUnavailable("HV_STORAGE_STORES: the name 'journal' is taken")
    configs = {"main": settings.main(), **settings.stores}
    for role in (settings.write_to, settings.stage_in):
        if role not in configs:
            raise StoreUnavailable(f"HV_STORAGE_STORES has no store {role!r}")
    opened = {name: open_store(name, config, data_dir) for name, config in configs.items()}
    return {**opened, JOURNAL: FolderStore(JOURNAL, spool)}
