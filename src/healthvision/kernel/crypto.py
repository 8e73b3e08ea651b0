# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest and signed URLs.

A sealed object is a header and chunks of AES-256-GCM in the STREAM construction (Hoang,
Reyhanitabar, Rogaway, Vizar 2015): the nonce of a chunk holds its number and whether it is the
last, so a cut, a swap or a repeat is found; every chunk opens alone, so any byte range can be
read. Each object has a data key of its own; it lies in the header, wrapped by the organisation
key, which lies in the database, wrapped by a key derived from the master key.

Layout: magic (6), log2 of the chunk size (1), 0 (1), id of the wrapping key (16), wrapped data
key (60), then the sealed chunks, each 16 bytes longer than its text. An empty text is one chunk.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from healthvision.kernel.clock import now
from healthvision.kernel.errors import NotFound, Problem

KEY_BYTES = 32
TAG_BYTES = 16
NONCE_BYTES = 12
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
CHUNK_LOG2 = 16
CHUNK_BYTES = 1 << CHUNK_LOG2
MAGIC = b"HVENC\x01"
HEADER_BYTES = len(MAGIC) + 2 + 16 + WRAPPED_BYTES


class Damaged(Problem):
    """Sealed bytes fail their check: changed, cut, swapped, or sealed by another key."""

    status, code, title = 503, "sealed-bytes-damaged", "Stored bytes are damaged"


class UrlNotValid(NotFound):
    """The signed URL is over, was changed, or is used for another request: nothing is there."""

    code, title = "url-not-valid", "Signed URL not valid"


def new_key() -> bytes:
    """Return a random 256-bit key."""
    return os.urandom(KEY_BYTES)


def seal_small(key: bytes, text: bytes, context: bytes) -> bytes:
    """Seal a short text under a long-living key with a random nonce, bound to ``context``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text, context)


def open_small(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Open what ``seal_small`` sealed; raises Damaged."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Damaged("a wrapped key or sealed value cannot be opened") from None


def sealed_length(plain: int) -> int:
    """Return the length of a sealed object that holds ``plain`` bytes."""
    chunks = max(1, -(-plain // CHUNK_BYTES))
    return HEADER_BYTES + plain + chunks * TAG_BYTES


def plain_length(sealed: int) -> int:
    """Return how many bytes a sealed object of that length holds; raises Damaged."""
    body = sealed - HEADER_BYTES
    chunks = -(-body // (CHUNK_BYTES + TAG_BYTES))
    if body < TAG_BYTES or body - chunks * TAG_BYTES < 0:
        raise Damaged("a sealed object is cut short")
    return body - chunks * TAG_BYTES


def plain_size(sealed: int) -> int:
    """Return how many bytes of text that many bytes of sealed chunks (no header) hold at most."""
    return max(0, sealed - -(-sealed // (CHUNK_BYTES + TAG_BYTES)) * TAG_BYTES)


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class Sealer:
    """Seals one object; ``context`` (its name in the store) is needed again to open it."""

    def __init__(self, wrapping_key: bytes, key_id: UUID, context: bytes) -> None:
        data_key = new_key()
        start = MAGIC + bytes([CHUNK_LOG2, 0]) + key_id.bytes
        self.header = start + seal_small(wrapping_key, data_key, start + context)
        self._aead = AESGCM(data_key)
        self._buffer = bytearray()
        self._index = 0

    def update(self, data: bytes | memoryview) -> bytes:
        """Take further text and return the chunks that are full."""
        self._buffer += data
        full = max(0, (len(self._buffer) - 1) // CHUNK_BYTES)  # the last chunk stays back
        if full == 0:
            return b""
        view = memoryview(self._buffer)
        out = [
            self._seal(view[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES], last=False)
            for i in range(full)
        ]
        view.release()
        del self._buffer[: full * CHUNK_BYTES]
        return b"".join(out)

    def chunks(self, text: bytes) -> list[bytes]:
        """Seal a whole text at once, without copying it; instead of ``update`` and ``finish``."""
        view, last = memoryview(text), max(0, (len(text) - 1) // CHUNK_BYTES)
        return [
            self._seal(view[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES], last=i == last)
            for i in range(last + 1)
        ]

    def finish(self) -> bytes:
        """Return the last chunk."""
        return self._seal(memoryview(self._buffer), last=True)

    def _seal(self, text: memoryview, *, last: bool) -> bytes:
        sealed = self._aead.encrypt(_nonce(self._index, last), text, None)
        self._index += 1
        return sealed


def seal(wrapping_key: bytes, key_id: UUID, context: bytes, text: bytes | memoryview) -> bytes:
    """Return a whole sealed object."""
    sealer = Sealer(wrapping_key, key_id, context)
    return b"".join((sealer.header, sealer.update(text), sealer.finish()))


def seal_parts(wrapping_key: bytes, key_id: UUID, context: bytes, text: bytes) -> list[bytes]:
    """Return a whole sealed object as its header and chunks, to be written one after another."""
    sealer = Sealer(wrapping_key, key_id, context)
    return [sealer.header, *sealer.chunks(text)]


def key_id_of(header: bytes) -> UUID:
    """Return the id of the key that wraps a sealed object's data key; raises Damaged."""
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC + bytes([CHUNK_LOG2, 0])):
        raise Damaged("the header of a sealed object is not readable")
    return UUID(bytes=header[len(MAGIC) + 2 : len(MAGIC) + 18])


@dataclass(frozen=True, slots=True)
class SealedSpan:
    """Which bytes of a sealed object to fetch for a range of its text.

    ``start``/``end``: bytes in the sealed object; ``first``: number of the first chunk in it;
    ``skip``: bytes of text before the wanted ones; ``length``: wanted bytes.
    """

    start: int
    end: int
    first: int
    skip: int
    length: int


def span_of(start: int, length: int, plain: int) -> SealedSpan:
    """Return what to fetch for text bytes ``start .. start + length`` of ``plain`` bytes."""
    first = start // CHUNK_BYTES
    last = max(first, (start + max(length, 1) - 1) // CHUNK_BYTES)
    step = CHUNK_BYTES + TAG_BYTES
    end = min(HEADER_BYTES + (last + 1) * step, sealed_length(plain))
    return SealedSpan(HEADER_BYTES + first * step, end, first, start - first * CHUNK_BYTES, length)


class Opener:
    """Opens chunks of one sealed object whose text is ``plain`` bytes long."""

    def __init__(self, wrapping_key: bytes, header: bytes, context: bytes, plain: int) -> None:
        key_id_of(header)
        start = header[: HEADER_BYTES - WRAPPED_BYTES]
        wrapped = header[HEADER_BYTES - WRAPPED_BYTES : HEADER_BYTES]
        self._aead = AESGCM(open_small(wrapping_key, wrapped, start + context))
        self._last = max(1, -(-plain // CHUNK_BYTES)) - 1

    def open(self, index: int, sealed: bytes | memoryview) -> bytes:
        """Return the text of one chunk; raises Damaged."""
        try:
            return self._aead.decrypt(_nonce(index, index == self._last), sealed, None)
        except InvalidTag:
            raise Damaged("a chunk of a sealed object fails its check") from None

    def text(self, span: SealedSpan, sealed: memoryview) -> bytes:
        """Return the wanted text of a span from all of its sealed chunks; raises Damaged."""
        view = memoryview(bytearray(plain_size(len(sealed))))
        if self.open_into(span.first, sealed, view) < span.skip + span.length:
            raise Damaged("a sealed object is cut short")
        return bytes(view[span.skip : span.skip + span.length])

    def open_into(self, first: int, sealed: memoryview, room: memoryview) -> int:
        """Put the text of all chunks from number ``first`` on into ``room``; return its length.

        Raises Damaged, also when there is too little room.
        """
        step, at = CHUNK_BYTES + TAG_BYTES, 0
        open_chunk, last = self._aead.decrypt_into, self._last
        try:
            for index, start in enumerate(range(0, len(sealed), step), first):
                chunk = sealed[start : start + step]
                nonce = _nonce(index, index == last)
                at += open_chunk(nonce, chunk, None, room[at : at + len(chunk) - TAG_BYTES])
        except (InvalidTag, ValueError):
            raise Damaged("a chunk of a sealed object fails its check") from None
        return at

    async def stream(
        self, span: SealedSpan, sealed: AsyncIterable[bytes | memoryview]
    ) -> AsyncIterator[bytes]:
        """Yield the wanted text of a span from its sealed bytes; raises Damaged when cut."""
        buffer, index, skip, left = bytearray(), span.first, span.skip, span.length
        step = CHUNK_BYTES + TAG_BYTES
        missing = span.end - span.start
        async for piece in sealed:
            buffer += piece
            missing -= len(piece)
            whole = len(buffer) if missing <= 0 else len(buffer) - len(buffer) % step
            for text in self._texts(bytes(buffer[:whole]), index):
                wanted = text[skip : skip + left]
                skip, left, index = max(0, skip - len(text)), left - len(wanted), index + 1
                if wanted:
                    yield wanted
            del buffer[:whole]
        if missing > 0 or left > 0:
            raise Damaged("a sealed object is cut short")

    def _texts(self, sealed: bytes, index: int) -> Iterator[bytes]:
        step = CHUNK_BYTES + TAG_BYTES
        view = memoryview(sealed)
        for number, start in enumerate(range(0, len(sealed), step)):
            yield self.open(index + number, view[start : start + step])


def open_whole(wrapping_key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Return the text of a whole sealed object; raises Damaged."""
    plain = plain_length(len(sealed))
    opener = Opener(wrapping_key, sealed[:HEADER_BYTES], context, plain)
    step = CHUNK_BYTES + TAG_BYTES
    starts = range(HEADER_BYTES, len(sealed), step)
    return b"".join(opener.open(i, sealed[s : s + step]) for i, s in enumerate(starts))


@dataclass(frozen=True, slots=True)
class UrlClaims:
    """What a signed URL allows: one method on one path until a time, for bounded content.

    ``size``: exact length of the body; ``content_type`` and ``sha256`` are checked when set.
    ``account`` and ``tier``: whose calls to the URL are counted, and with which limits.
    """

    method: str
    path: str
    expires: int  # Unix time
    size: int | None = None
    content_type: str | None = None
    sha256: str | None = None
    account: str | None = None
    tier: str | None = None


class UrlSigner:
    """Makes and checks URLs that carry their own right (HMAC-SHA-256)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def query(self, claims: UrlClaims) -> str:
        """Return the query string that makes ``claims.path`` a signed URL."""
        return urlencode({**_public(claims), "sig": self._mac(claims)})

    def check(self, method: str, path: str, query: Mapping[str, str]) -> UrlClaims:
        """Return the claims of a signed URL; raises UrlNotValid (changed, expired, other use)."""
        size = query.get("size")
        try:
            claims = UrlClaims(
                method=method,
                path=path,
                expires=int(query.get("expires", "")),
                size=None if size is None else int(size),
                content_type=query.get("type"),
                sha256=query.get("sha256"),
                account=query.get("account"),
                tier=query.get("tier"),
            )
        except ValueError:
            raise UrlNotValid("the URL is not a signed one") from None
        if not hmac.compare_digest(self._mac(claims), query.get("sig", "")):
            raise UrlNotValid("the URL was changed, or is used for another request")
        if now().timestamp() >= claims.expires:
            raise UrlNotValid("the URL is expired")
        return claims

    def _mac(self, claims: UrlClaims) -> str:
        parts = [claims.method, claims.path, *(f"{k}={v}" for k, v in _public(claims).items())]
        text = "\n".join(f"{len(p)}:{p}" for p in parts).encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _public(claims: UrlClaims) -> dict[str, str]:
    found = {
        "expires": claims.expires,
        "size": claims.size,
        "type": claims.content_type,
        "sha256": claims.sha256,
        "account": claims.account,
        "tier": claims.tier,
    }
    return {k: str(v) for k, v in found.items() if v is not None}
