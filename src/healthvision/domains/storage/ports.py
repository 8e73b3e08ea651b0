# SPDX-License-Identifier: Apache-2.0
"""The port of object storage: named stores of immutable objects."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from healthvision.kernel import crypto

Chunks = AsyncIterable[bytes] | Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as it lies in a store; ``size`` in bytes as stored."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What to remember to read an object again.

    ``size`` and ``sha256`` are of the text; ``key_id`` is None when it is not encrypted.
    """

    store: str
    key: str
    key_id: UUID | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Blob:
    """Sealed bytes inside an object: ``length`` and ``sha256`` are of the text.

    ``offset``: where they start in the object; ``context``: what they are sealed with;
    ``key_id`` None: the text itself lies there.
    """

    store: str
    key: str
    key_id: UUID | None
    offset: int
    length: int
    context: bytes
    sha256: str

    @property
    def stored_length(self) -> int:
        """Length in the object."""
        return self.length if self.key_id is None else crypto.sealed_length(self.length)


class ObjectStore(Protocol):
    """A place for objects. Keys: lower-case words, digits, ``- _ .`` and ``/``; no ``..``.

    Raises OutOfSpace when full, ObjectMissing for unknown keys, StoreUnavailable otherwise.
    """

    name: str
    signs_urls: bool  # whether ``presign`` gives URLs that pass us by

    async def put(self, key: str, chunks: Chunks, *, replace: bool = True) -> int:
        """Store an object at once or not at all, durably; return its size.

        With ``replace=False`` raises ObjectExists when the key is taken.
        """
        ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes ``start .. end`` (end exclusive) of an object."""
        ...

    async def head(self, key: str) -> ObjectInfo:
        """Return size and time of an object."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; unknown keys are no error."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """Yield the objects whose key starts with a prefix that ends at a ``/``."""
        ...

    async def presign(self, method: str, key: str, *, expires_s: int) -> str | None:
        """Return a URL for ``method`` on the object itself, or None when the store has none."""
        ...


@runtime_checkable
class LocalReads(Protocol):
    """What a store on this machine can do besides: read without the event loop."""

    def read_at(self, key: str, start: int, length: int) -> bytes:
        """Return bytes of an object, fewer at its end; for threads."""
        ...

    def read_cached(self, key: str, start: int, length: int) -> bytes | None:
        """Return bytes of an object when they are in memory, None when a disk must be asked."""
        ...
