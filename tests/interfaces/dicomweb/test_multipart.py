# SPDX-License-Identifier: Apache-2.0
"""Multipart bodies are read whatever the chunks, and bad ones are refused."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.interfaces.dicomweb.media import parse_media_type
from healthvision.interfaces.dicomweb.multipart import (
    MAX_PART_HEADER,
    BadMultipart,
    OutPart,
    PartReader,
    PartWriter,
    boundary_of,
)


async def chunked(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read_all(data: bytes, boundary: str, size: int = 7) -> list[tuple[str, bytes]]:
    reader = PartReader(chunked(data, size), boundary)
    out = []
    while (head := await reader.next_part()) is not None:
        out.append((head.content_type, b"".join([c async for c in reader.body()])))
    return out


def message(parts: list[bytes], boundary: str = "b") -> bytes:
    head = b"--%s\r\nContent-Type: application/dicom\r\n\r\n" % boundary.encode()
    return b"\r\n".join([*(head + p for p in parts), b"--%s--\r\n" % boundary.encode()])


class TestPartReader:
    @given(
        parts=st.lists(st.binary(max_size=60) | st.just(b"\r\n--bx\r\n--"), min_size=1, max_size=4),
        size=st.integers(1, 50),
    )
    async def test_gives_back_every_part_whatever_the_chunks(
        self, parts: list[bytes], size: int
    ) -> None:
        boundary = "zzBoundary0123456789"
        got = await read_all(message(parts, boundary), boundary, size)
        assert got == [("application/dicom", p) for p in parts]

    async def test_skips_preamble_and_epilogue(self) -> None:
        data = b"hello\r\n" + message([b"one"]) + b"rest"
        assert await read_all(data, "b") == [("application/dicom", b"one")]

    async def test_reads_parts_without_a_header(self) -> None:
        assert await read_all(b"--b\r\n\r\nraw\r\n--b--", "b") == [("", b"raw")]

    async def test_takes_padding_after_a_boundary(self) -> None:
        assert await read_all(b"--b \t\r\n\r\nraw\r\n--b--", "b") == [("", b"raw")]

    async def test_unfolds_long_header_lines(self) -> None:
        data = b"--b\r\nContent-Type: application/dicom;\r\n x=1\r\n\r\nraw\r\n--b--"
        assert await read_all(data, "b") == [("application/dicom; x=1", b"raw")]

    async def test_skips_what_was_not_read_of_a_part(self) -> None:
        reader = PartReader(chunked(message([b"x" * 999, b"two"]), 10), "b")
        await reader.next_part()
        await reader.next_part()
        assert b"".join([c async for c in reader.body()]) == b"two"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"no boundary at all",
            b"--b\r\nContent-Type: application/dicom\r\n\r\nhalf",
            b"--b\r\nContent-Type: application/dicom\r\n",
            b"--b\r\nno colon here\r\n\r\nraw\r\n--b--",
            b"--bother\r\n\r\nraw\r\n--b--",
            b"--b\r\nx: " + b"y" * (MAX_PART_HEADER + 100) + b"\r\n\r\nraw\r\n--b--",
        ],
    )
    async def test_refuses_what_is_cut_off_or_malformed(self, data: bytes) -> None:
        with pytest.raises(BadMultipart):
            await read_all(data, "b", 64)

    async def test_never_holds_more_than_a_chunk_and_a_boundary(self) -> None:
        reader = PartReader(chunked(message([b"x" * 1_000_000]), 1000), "b")
        await reader.next_part()
        largest = 0
        async for _ in reader.body():
            largest = max(largest, len(reader._buffer))
        assert largest <= 1010


class TestPartWriter:
    async def test_is_read_back_by_the_reader(self) -> None:
        async def parts() -> AsyncIterator[OutPart]:
            for body in (b"one", b"", b"three"):
                yield OutPart("application/dicom", len(body), chunked(body, 2))

        writer = PartWriter()
        data = b"".join([c async for c in writer.frame(parts())])
        kind = parse_media_type(writer.content_type("application/dicom"))
        got = await read_all(data, boundary_of(kind))
        assert [body for _, body in got] == [b"one", b"", b"three"]
        assert kind.part == "application/dicom"


class TestBoundaryOf:
    @pytest.mark.parametrize(
        "text", ["multipart/related", "multipart/related; boundary=" + "b" * 71]
    )
    def test_refuses_missing_and_overlong_boundaries(self, text: str) -> None:
        with pytest.raises(BadMultipart):
            boundary_of(parse_media_type(text))
