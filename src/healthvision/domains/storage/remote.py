# SPDX-License-Identifier: Apache-2.0
"""Objects of an S3-compatible server, or in memory, through obstore."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import MemoryStore, S3Store

from healthvision.domains.storage.errors import ObjectExists, ObjectMissing, StoreUnavailable
from healthvision.domains.storage.folder import check_key
from healthvision.domains.storage.ports import Chunks, ObjectInfo
from healthvision.domains.storage.settings import StoreConfig
from healthvision.kernel.errors import OutOfSpace

PART_BYTES = 8 << 20
_FULL = ("StorageFull", "507 Insufficient", "QuotaExceeded", "No space left")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise ObjectMissing("there is no such object") from None
    except (AlreadyExistsError, FileExistsError):
        raise ObjectExists("this was uploaded before") from None
    except (BaseError, OSError) as error:
        if any(word in str(error) for word in _FULL):
            raise OutOfSpace("the object store is full") from error
        raise StoreUnavailable("the object store does not answer", retry_after=5) from error


def s3_store(bucket: str, prefix: str, config: StoreConfig) -> S3Store:
    """Return obstore's S3 client for a bucket; empty keys mean the environment's credentials."""
    options: dict[str, Any] = {
        "region": config.s3_region,
        "virtual_hosted_style_request": config.s3_virtual_host,
    }
    if config.s3_endpoint:
        options["endpoint"] = config.s3_endpoint
    if config.s3_access_key_id.get_secret_value():
        options["access_key_id"] = config.s3_access_key_id.get_secret_value()
        options["secret_access_key"] = config.s3_secret_access_key.get_secret_value()
    client: dict[str, Any] = {
        "allow_http": config.s3_endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=120),
    }
    retry: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options=client,  # type: ignore[arg-type]
        retry_config=retry,  # type: ignore[arg-type]
        **options,
    )


class RemoteStore:
    """A store reached by obstore; a put is one request, or a multi-part upload for streams."""

    def __init__(self, name: str, store: S3Store | MemoryStore) -> None:
        self.name = name
        self.signs_urls = isinstance(store, S3Store)
        self._store = store

    async def put(self, key: str, chunks: Chunks, *, replace: bool = True) -> int:
        """Store an object; the server shows it at once or not at all."""
        if not replace:
            await self._must_be_free(key)
        size = 0

        async def counted(source: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in source:
                size += len(chunk)
                yield chunk

        with _translated():
            if isinstance(chunks, AsyncIterable):
                body = counted(chunks)
                await obstore.put_async(
                    self._store, check_key(key), body, chunk_size=PART_BYTES, max_concurrency=3
                )
                return size
            whole = b"".join(chunks)
            await obstore.put_async(self._store, check_key(key), whole)
            return len(whole)

    async def _must_be_free(self, key: str) -> None:
        try:
            await self.head(key)
        except ObjectMissing:
            return
        raise ObjectExists("this was uploaded before")

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes of an object."""
        if end is not None and end <= start:
            return
        with _translated():
            options: Any = {}
            if end is not None:
                options = {"range": (start, end)}
            elif start:
                options = {"range": {"offset": start}}
            found = await obstore.get_async(self._store, check_key(key), options=options)
            async for piece in found.stream(min_chunk_size=1 << 20):
                yield bytes(piece)

    async def head(self, key: str) -> ObjectInfo:
        """Return size and time of an object."""
        with _translated():
            found = await obstore.head_async(self._store, check_key(key))
        return ObjectInfo(found["path"], found["size"], found["last_modified"])

    async def delete(self, key: str) -> None:
        """Remove an object; unknown keys are no error."""
        try:
            with _translated():
                await obstore.delete_async(self._store, check_key(key))
        except ObjectMissing:
            return

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Yield the objects below a prefix."""
        with _translated():
            async for batch in obstore.list(self._store, prefix.rstrip("/") or None):
                for found in batch:
                    yield ObjectInfo(found["path"], found["size"], found["last_modified"])

    async def presign(self, method: str, key: str, *, expires_s: int) -> str | None:
        """Return a URL of the S3 server for this object; None for memory."""
        if not isinstance(self._store, S3Store):
            return None
        wanted: Any = method
        with _translated():
            url: str = await obstore.sign_async(
                self._store, wanted, check_key(key), timedelta(seconds=expires_s)
            )
        return url


def memory_store(name: str) -> RemoteStore:
    """Return an empty store in memory, for tests."""
    return RemoteStore(name, MemoryStore())
