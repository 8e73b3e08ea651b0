# SPDX-License-Identifier: Apache-2.0
"""Reading sealed blobs that lie inside larger objects: ranges, whole ones, long runs of them.

What lies in the page cache is read and opened at once on the event loop up to ``INLINE_BYTES``;
everything else takes one hop to a thread per piece of up to ``PIECE_BYTES``.
"""

import asyncio
import hashlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import aclosing
from functools import partial
from typing import Any, TypeGuard, TypeVar
from uuid import UUID

from healthvision.domains.storage.keys import opening_key, vault_of
from healthvision.domains.storage.ports import Blob, Chunks, LocalReads, ObjectStore
from healthvision.kernel import crypto
from healthvision.kernel.db import Database, Session

Where = Database | Session
Fetch = Callable[[int, int], bytes]  # start and length in the object -> bytes as stored
T = TypeVar("T")
PIECE_BYTES = 4 << 20  # a multiple of the chunk size
LOCAL_RUN_BYTES = 4 << 20  # larger buffers do not stay in the processor's cache
REMOTE_RUN_BYTES = 8 << 20
GAP_BYTES = 64 << 10  # what may lie between two blobs that are read together
INLINE_BYTES = 1 << 20
_LOCAL: dict[type, bool] = {}


class _Later(Exception):
    """The bytes are not in memory: a thread must wait for them."""


class _Text:
    """Opens spans of one blob; keeps its header once it was seen."""

    def __init__(self, blob: Blob, wrapping: bytes | None) -> None:
        self._blob = blob
        self._wrapping = wrapping
        self._opener: crypto.Opener | None = None

    def span(self, fetch: Fetch, start: int, length: int) -> bytes:
        """Return text ``start .. start + length``; raises Damaged."""
        blob, wrapping = self._blob, self._wrapping
        if wrapping is None:
            return _exactly(fetch, blob.offset + start, length)
        span = crypto.span_of(start, length, blob.length)
        if span.first == 0:
            sealed = memoryview(_exactly(fetch, blob.offset, span.end))
            self._opener = self._opener or self._new(bytes(sealed[: crypto.HEADER_BYTES]))
            return self._opener.text(span, sealed[crypto.HEADER_BYTES :])
        if self._opener is None:
            self._opener = self._new(_exactly(fetch, blob.offset, crypto.HEADER_BYTES))
        body = _exactly(fetch, blob.offset + span.start, span.end - span.start)
        return self._opener.text(span, memoryview(body))

    def into(self, fetch: Fetch, room: memoryview) -> None:
        """Put the whole text into ``room``, which has its length; raises Damaged."""
        blob = self._blob
        if self._wrapping is None:
            room[:] = _checked(blob, _exactly(fetch, blob.offset, blob.length))
            return
        sealed = memoryview(_exactly(fetch, blob.offset, blob.stored_length))
        opener = self._new(bytes(sealed[: crypto.HEADER_BYTES]))
        if opener.open_into(0, sealed[crypto.HEADER_BYTES :], room) != blob.length:
            raise crypto.Damaged("a sealed object is cut short")

    def _new(self, header: bytes) -> crypto.Opener:
        assert self._wrapping is not None
        return crypto.Opener(self._wrapping, header, self._blob.context, self._blob.length)


def _exactly(fetch: Fetch, start: int, length: int) -> bytes:
    found = fetch(start, length)
    if len(found) != length:
        raise crypto.Damaged("a stored object is cut short")
    return found


def _is_local(store: ObjectStore) -> TypeGuard[LocalReads]:
    kind = type(store)  # asking a protocol each time costs more than reading a frame
    if kind not in _LOCAL:
        _LOCAL[kind] = isinstance(store, LocalReads)
    return _LOCAL[kind]


async def _with_bytes(
    store: ObjectStore, key: str, spans: Sequence[tuple[int, int]], work: Callable[[Fetch], T]
) -> T:
    """Run ``work`` with a function that gives these spans (start, length) of an object."""
    if _is_local(store):
        if sum(length for _, length in spans) <= INLINE_BYTES:
            try:
                return work(_cached(store, key))
            except _Later:
                pass
        return await asyncio.to_thread(work, lambda s, n: store.read_at(key, s, n))
    found: dict[tuple[int, int], bytes] = {}
    for start, length in spans:
        pieces = [piece async for piece in store.get(key, start, start + length)]
        found[start, length] = b"".join(pieces)
    return await asyncio.to_thread(work, lambda s, n: found[s, n])


def _cached(store: LocalReads, key: str) -> Fetch:
    def fetch(start: int, length: int) -> bytes:
        found = store.read_cached(key, start, length)
        if found is None:
            raise _Later
        return found

    return fetch


def _spans(blob: Blob, start: int, length: int) -> list[tuple[int, int]]:
    """Return what ``_Text.span`` fetches for a range."""
    if blob.key_id is None:
        return [(blob.offset + start, length)]
    span = crypto.span_of(start, length, blob.length)
    if span.first == 0:
        return [(blob.offset, span.end)]
    header = (blob.offset, crypto.HEADER_BYTES)
    return [header, (blob.offset + span.start, span.end - span.start)]


async def _wrapping(where: Where, org_id: UUID, blob: Blob) -> bytes | None:
    return None if blob.key_id is None else await opening_key(where, org_id, blob.key_id)


async def open_blob(
    where: Where, org_id: UUID, blob: Blob, start: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """Yield text ``start .. start + length`` of a blob in pieces of up to 4 MiB.

    Raises ObjectMissing, StoreUnavailable or Damaged. Changed encrypted bytes never come out; of
    an unencrypted blob a whole read is checked against its SHA-256 before the last piece leaves.
    """
    start = min(start, blob.length)
    left = blob.length - start if length is None else min(blob.length - start, length)
    if left == 0 and blob.length:
        return
    checked = blob.key_id is None and left == blob.length
    text = _Text(blob, await _wrapping(where, org_id, blob))
    store, digest, at, end = (
        vault_of(where).store(blob.store),
        hashlib.sha256(),
        start,
        start + left,
    )
    for stop in _stops(start, end):
        part = (at, stop - at)
        piece = await _with_bytes(
            store, blob.key, _spans(blob, *part), partial(text.span, start=at, length=stop - at)
        )
        if checked:
            digest.update(piece)
            if stop == end and digest.hexdigest() != blob.sha256:
                raise crypto.Damaged("stored bytes do not have their SHA-256 any more")
        at = stop
        if piece:
            yield piece


def _stops(start: int, end: int) -> Iterator[int]:
    """Yield where pieces end: at multiples of the piece size, and at the end."""
    at = start
    while True:
        at = min(end, (at // PIECE_BYTES + 1) * PIECE_BYTES)
        yield at
        if at >= end:
            return


async def read_blob(
    where: Where, org_id: UUID, blob: Blob, start: int = 0, length: int | None = None
) -> bytes:
    """Return bytes of a blob at once; see ``open_blob``."""
    pieces = [piece async for piece in open_blob(where, org_id, blob, start, length)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read_many(
    where: Where, org_id: UUID, blobs: Sequence[Blob]
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield whole blobs as (position, piece) in order; large ones in several pieces.

    Neighbours in one object are read together, and the next run while the last one is used.
    Raises as ``open_blob``.
    """

    async def read(run: range) -> list[bytes]:
        return await _read_run(where, org_id, blobs[run.start : run.stop])

    async with aclosing(_each_run(where, org_id, blobs, read)) as each:
        async for run, texts in each:
            if texts is None:
                async for piece in open_blob(where, org_id, blobs[run.start]):
                    yield run.start, piece
                continue
            for position, text in zip(run, texts, strict=True):
                yield position, text


async def read_joined(
    where: Where, org_id: UUID, blobs: Sequence[Blob], heads: Sequence[bytes]
) -> AsyncIterator[bytes | memoryview]:
    """Yield ``heads[0]``, the text of blob 0, ``heads[1]``, ... joined, in few large pieces.

    Each text is opened right where it leaves from. Raises as ``open_blob``.
    """

    async def read(run: range) -> memoryview:
        several = slice(run.start, run.stop)
        return await _join_run(where, org_id, blobs[several], heads[several])

    async with aclosing(_each_run(where, org_id, blobs, read)) as each:
        async for run, joined in each:
            if joined is not None:
                yield joined
                continue
            yield heads[run.start]
            async for piece in open_blob(where, org_id, blobs[run.start]):
                yield piece


async def _each_run(
    where: Where,
    org_id: UUID,
    blobs: Sequence[Blob],
    read: Callable[[range], Coroutine[Any, Any, T]],
) -> AsyncGenerator[tuple[range, T | None]]:
    """Yield runs of neighbours with what ``read`` makes of them; None: one blob, too large.

    The next run is read while the last one is used.
    """
    for blob in blobs:
        await _wrapping(where, org_id, blob)
    runs = list(_runs(where, blobs))
    ahead: asyncio.Task[T] | None = None
    try:
        for number, run in enumerate(runs):
            if not _fits(blobs, run):
                yield run, None
                continue
            found = await (ahead or read(run))
            ahead = None
            if number + 1 < len(runs) and _fits(blobs, runs[number + 1]):
                ahead = asyncio.create_task(read(runs[number + 1]))
            yield run, found
    finally:
        if ahead is not None:
            ahead.cancel()


def _fits(blobs: Sequence[Blob], run: range) -> bool:
    return run.stop - run.start > 1 or blobs[run.start].stored_length <= REMOTE_RUN_BYTES


def _runs(where: Where, blobs: Sequence[Blob]) -> Iterator[range]:
    """Cut a list of blobs into runs of neighbours that are read at once."""
    first = 0
    for position in range(1, len(blobs) + 1):
        if position == len(blobs) or not _joins(where, blobs, first, position):
            yield range(first, position)
            first = position


def _joins(where: Where, blobs: Sequence[Blob], first: int, position: int) -> bool:
    start, last, new = blobs[first], blobs[position - 1], blobs[position]
    if (new.store, new.key) != (last.store, last.key):
        return False
    gap = new.offset - (last.offset + last.stored_length)
    whole = new.offset + new.stored_length - start.offset
    local = _is_local(vault_of(where).store(new.store))
    limit = LOCAL_RUN_BYTES if local else REMOTE_RUN_BYTES
    return 0 <= gap <= GAP_BYTES and whole <= limit


async def _read_run(where: Where, org_id: UUID, run: Sequence[Blob]) -> list[bytes]:
    keys = [await _wrapping(where, org_id, blob) for blob in run]

    def work(inside: Fetch) -> list[bytes]:
        texts = []
        for blob, key in zip(run, keys, strict=True):
            text = _Text(blob, key).span(inside, 0, blob.length)
            texts.append(text if key is not None else _checked(blob, bytes(text)))
        return texts

    return await _with_run(where, run, work)


async def _join_run(
    where: Where, org_id: UUID, run: Sequence[Blob], heads: Sequence[bytes]
) -> memoryview:
    keys = [await _wrapping(where, org_id, blob) for blob in run]

    def work(inside: Fetch) -> memoryview:
        size = sum(map(len, heads)) + sum(blob.length for blob in run)
        joined, at = memoryview(bytearray(size)), 0
        for blob, key, head in zip(run, keys, heads, strict=True):
            start = at + len(head)
            joined[at:start] = head
            at = start + blob.length
            _Text(blob, key).into(inside, joined[start:at])
        return joined

    return await _with_run(where, run, work)


async def _with_run(where: Where, run: Sequence[Blob], work: Callable[[Fetch], T]) -> T:
    """Run ``work`` with a function that gives bytes of a run of neighbours, read at once."""
    start = run[0].offset
    length = run[-1].offset + run[-1].stored_length - start

    def of_run(fetch: Fetch) -> T:
        sealed = memoryview(_exactly(fetch, start, length))
        return work(lambda at, size: sealed[at - start : at - start + size])  # type: ignore[arg-type, return-value]

    store = vault_of(where).store(run[0].store)
    return await _with_bytes(store, run[0].key, [(start, length)], of_run)


def _checked(blob: Blob, text: bytes) -> bytes:
    if hashlib.sha256(text).hexdigest() != blob.sha256:
        raise crypto.Damaged("stored bytes do not have their SHA-256 any more")
    return text


async def read_sealed(where: Where, blobs: Sequence[Blob]) -> AsyncIterator[bytes]:
    """Yield blobs one after the other as they are stored, neighbours read together.

    Nothing is opened or checked. Raises ObjectMissing, StoreUnavailable, Damaged (cut short).
    """
    for run in _runs(where, blobs):
        first, last = blobs[run.start], blobs[run.stop - 1]
        if not _fits(blobs, run):
            for start in range(0, first.stored_length, PIECE_BYTES):
                size = min(PIECE_BYTES, first.stored_length - start)
                yield await read_span(where, first.store, first.key, first.offset + start, size)
            continue
        length = last.offset + last.stored_length - first.offset
        whole = await read_span(where, first.store, first.key, first.offset, length)
        view = memoryview(whole)
        starts = [(b.offset - first.offset, b.stored_length) for b in map(blobs.__getitem__, run)]
        yield b"".join(view[start : start + size] for start, size in starts)


async def read_span(where: Where, store: str, key: str, start: int, length: int) -> bytes:
    """Return bytes of an object as they are stored; raises Damaged when it is shorter."""
    target = vault_of(where).store(store)
    return await _with_bytes(
        target, key, [(start, length)], lambda fetch: _exactly(fetch, start, length)
    )


async def put_sealed(where: Where, store: str, key: str, chunks: Chunks) -> int:
    """Keep an object whose bytes are sealed already, under a new key; return its size.

    Raises ObjectExists, OutOfSpace, StoreUnavailable.
    """
    return await vault_of(where).store(store).put(key, chunks, replace=False)
