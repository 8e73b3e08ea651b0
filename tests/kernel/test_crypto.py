# SPDX-License-Identifier: Apache-2.0
"""Sealed objects and signed URLs."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthvision.kernel import crypto
from healthvision.kernel.clock import FixedClock, new_id, now, use_clock
from healthvision.kernel.crypto import (
    CHUNK_BYTES,
    HEADER_BYTES,
    Damaged,
    Opener,
    UrlClaims,
    UrlNotValid,
    UrlSigner,
    open_whole,
    plain_length,
    seal,
    sealed_length,
    span_of,
)

KEY = bytes(range(32))
KEY_ID = UUID(int=7)
STEP = CHUNK_BYTES + crypto.TAG_BYTES


def text_of(size: int) -> bytes:
    return bytes(i * 31 % 251 for i in range(min(size, 1000))) * (size // 1000 + 1)


async def read(sealed: bytes, start: int, length: int, pieces: int = 5000) -> bytes:
    plain = plain_length(len(sealed))
    span = span_of(start, length, plain)

    async def source() -> AsyncIterator[bytes]:
        for at in range(span.start, span.end, pieces):
            yield sealed[at : min(at + pieces, span.end)]

    opener = Opener(KEY, sealed[:HEADER_BYTES], b"name", plain)
    return b"".join([t async for t in opener.stream(span, source())])


class TestSeal:
    @pytest.mark.parametrize(
        "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]
    )
    def test_opens_to_the_same_text_and_hides_it(self, size: int) -> None:
        text = text_of(size)[:size]
        sealed = seal(KEY, KEY_ID, b"name", text)
        assert len(sealed) == sealed_length(size)
        assert plain_length(len(sealed)) == size
        assert open_whole(KEY, sealed, b"name") == text
        assert size < 16 or text[:16] not in sealed

    def test_another_name_or_key_does_not_open_it(self) -> None:
        sealed = seal(KEY, KEY_ID, b"name", b"secret")
        for key, name in ((KEY, b"other"), (bytes(32), b"name")):
            with pytest.raises(Damaged):
                open_whole(key, sealed, name)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, sealed_length(2 * CHUNK_BYTES + 100) - 1), st.integers(1, 255))
    def test_any_changed_byte_is_found(self, at: int, change: int) -> None:
        size = 2 * CHUNK_BYTES + 100
        sealed = bytearray(seal(KEY, KEY_ID, b"name", text_of(size)[:size]))
        sealed[at] ^= change
        with pytest.raises(Damaged):
            open_whole(KEY, bytes(sealed), b"name")

    def test_cut_swapped_and_repeated_chunks_are_found(self) -> None:
        size = 3 * CHUNK_BYTES
        sealed = seal(KEY, KEY_ID, b"name", text_of(size)[:size])
        head, chunks = (
            sealed[:HEADER_BYTES],
            [sealed[HEADER_BYTES + i * STEP :][:STEP] for i in range(3)],
        )
        for wrong in (chunks[:2], [chunks[1], chunks[0], chunks[2]], [*chunks, chunks[2]], []):
            with pytest.raises(Damaged):
                open_whole(KEY, head + b"".join(wrong), b"name")


class TestOpener:
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    async def test_any_range_is_read_alone(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, 3 * CHUNK_BYTES))
        start = data.draw(st.integers(0, size - 1))
        length = data.draw(st.integers(1, size - start))
        text = text_of(size)[:size]
        sealed = seal(KEY, KEY_ID, b"name", text)
        assert await read(sealed, start, length) == text[start : start + length]


class TestUrlSigner:
    signer = UrlSigner(KEY)

    def query(self, claims: UrlClaims) -> dict[str, str]:
        return dict(p.split("=") for p in self.signer.query(claims).split("&"))

    def test_accepts_what_it_signed_until_it_expires(self) -> None:
        clock = FixedClock(now())
        with use_clock(clock):
            claims = UrlClaims("PUT", "/a", int(now().timestamp()) + 10, 5, None, "ab")
            assert self.signer.check("PUT", "/a", self.query(claims)) == claims
            clock.advance(11)
            with pytest.raises(UrlNotValid):
                self.signer.check("PUT", "/a", self.query(claims))

    @pytest.mark.parametrize("field", ["expires", "size", "sha256", "sig"])
    def test_refuses_a_changed_field(self, field: str) -> None:
        query = self.query(UrlClaims("PUT", "/a", int(now().timestamp()) + 10, 5, None, "ab"))
        for changed in ({**query, field: "6"}, {k: v for k, v in query.items() if k != field}):
            with pytest.raises(UrlNotValid):
                self.signer.check("PUT", "/a", changed)

    def test_refuses_another_method_path_and_signer(self) -> None:
        query = self.query(UrlClaims("PUT", "/a", int(now().timestamp()) + 10))
        for method, path in (("GET", "/a"), ("PUT", "/b")):
            with pytest.raises(UrlNotValid):
                self.signer.check(method, path, query)
        with pytest.raises(UrlNotValid):
            UrlSigner(new_id().bytes * 2).check("PUT", "/a", query)
