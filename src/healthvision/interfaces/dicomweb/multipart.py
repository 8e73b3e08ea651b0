# SPDX-License-Identifier: Apache-2.0
"""multipart/related (RFC 2387, RFC 2046 5.1) as a stream, read and written in bounded memory."""

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field

from healthvision.interfaces.dicomweb.media import MediaType
from healthvision.kernel.errors import Malformed

MAX_PART_HEADER = 16 * 1024
MAX_BOUNDARY = 70
_CRLF = b"\r\n"


class BadMultipart(Malformed):
    """The body is no multipart message with the stated boundary, or it was cut off."""

    code, title = "bad-multipart", "Multipart body not readable"


@dataclass(frozen=True, slots=True)
class PartHead:
    """The header fields of one part, names in lower case."""

    fields: Mapping[str, str]

    @property
    def content_type(self) -> str:
        """Return the part's media type as sent, '' when it has none."""
        return self.fields.get("content-type", "")

    @property
    def content_location(self) -> str:
        """Return the part's Content-Location, '' when it has none."""
        return self.fields.get("content-location", "")


def boundary_of(content_type: MediaType) -> str:
    """Return the boundary parameter of a Content-Type; raises BadMultipart."""
    boundary = content_type.parameters.get("boundary", "")
    if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
        raise BadMultipart("Content-Type: the boundary must have 1 to 70 ASCII characters")
    return boundary


@dataclass(slots=True)
class PartReader:
    """Reads the parts of a stream one after the other.

    Call ``next_part()``, then iterate ``body()``; what is left of a body is skipped by the next
    ``next_part()``. Never holds more than one chunk and one boundary (or one part's header).
    Both raise BadMultipart.
    """

    chunks: AsyncIterator[bytes]
    boundary: str
    _buffer: bytes = b""
    _at: int = 0  # what comes before was read
    _started: bool = False
    _in_body: bool = False
    _closed: bool = False
    _mark: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the delimiter: CRLF, two dashes and the boundary."""
        self._mark = b"\r\n--" + self.boundary.encode("ascii")

    async def next_part(self) -> PartHead | None:
        """Return the header of the next part, None after the closing boundary."""
        if not self._started:
            self._started = True
            self._buffer = _CRLF  # so that a boundary at the very start is found as any other
            self._in_body = True
        if self._in_body:
            async for _ in self.body():
                pass
        if self._closed or await self._at_close():
            return None
        head = await self._head()
        self._in_body = True
        return head

    def ready_body(self) -> bytes | None:
        """Return the whole body of the current part when all of it was received, and step on."""
        at = self._buffer.find(self._mark, self._at) if self._in_body else -1
        if at < 0:
            return None
        found, self._at = self._buffer[self._at : at], at + len(self._mark)
        self._in_body = False
        return found

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the current part up to its boundary."""
        while self._in_body:
            found = self.ready_body()
            if found is not None:
                if found:
                    yield found
                return
            end = len(self._buffer) - len(self._mark) + 1
            if end > self._at:
                ready, self._at = self._buffer[self._at : end], end
                yield ready
            await self._fill()

    async def _fill(self) -> None:
        async for chunk in self.chunks:
            if chunk:
                rest, self._at = self._buffer[self._at :], 0
                self._buffer = rest + chunk
                return
        raise BadMultipart("the body ends before its closing boundary")

    async def _at_close(self) -> bool:
        """Tell whether the delimiter just read is the closing one; else step over its line."""
        while len(self._buffer) - self._at < 2:
            await self._fill()
        if self._buffer.startswith(b"--", self._at):
            self._closed = True
            return True
        while (end := self._buffer.find(_CRLF, self._at)) < 0:
            if len(self._buffer) - self._at > MAX_PART_HEADER:
                raise BadMultipart("a boundary line does not end")
            await self._fill()
        if self._buffer[self._at : end].strip(b" \t"):
            raise BadMultipart("text follows a boundary on its line")
        self._at = end + 2
        return False

    async def _head(self) -> PartHead:
        while (end := self._head_end()) < 0:
            if len(self._buffer) - self._at > MAX_PART_HEADER:
                raise BadMultipart(f"the header of a part is over {MAX_PART_HEADER} bytes")
            await self._fill()
        raw, self._at = self._buffer[self._at : end], end + 4 if end > self._at else end + 2
        return PartHead(_fields(raw)) if raw else PartHead({})

    def _head_end(self) -> int:
        """Return where the fields of a header end, -1 when the rest has not come yet."""
        if self._buffer.startswith(_CRLF, self._at):
            return self._at
        return self._buffer.find(b"\r\n\r\n", self._at)


def _fields(raw: bytes) -> dict[str, str]:
    out: dict[str, str] = {}
    unfolded = raw.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(_CRLF):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadMultipart("a line of a part's header has no colon")
        out.setdefault(name.strip().lower(), value.strip())
    return out


@dataclass(frozen=True, slots=True)
class OutPart:
    """One part on its way out. ``length``: bytes that ``body`` will yield."""

    content_type: str
    length: int
    body: AsyncIterable[bytes]
    location: str = ""


@dataclass(frozen=True, slots=True)
class PartWriter:
    """Frames parts with a boundary; the length of the whole is known beforehand."""

    boundary: str = field(default_factory=lambda: f"hv{secrets.token_hex(16)}")

    def head(self, content_type: str, length: int, location: str = "", *, first: bool) -> bytes:
        """Return the delimiter and header of one part."""
        lines = [f"--{self.boundary}", f"Content-Type: {content_type}", f"Content-Length: {length}"]
        if location:
            lines.append(f"Content-Location: {location}")
        return (b"" if first else _CRLF) + "\r\n".join([*lines, "", ""]).encode("ascii")

    @property
    def tail(self) -> bytes:
        """Return the closing delimiter."""
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")

    def content_type(self, kind: str) -> str:
        """Return the Content-Type of the whole; ``kind`` is the media type of the parts."""
        return f'multipart/related; type="{kind}"; boundary={self.boundary}'

    async def frame(self, parts: AsyncIterable[OutPart]) -> AsyncIterator[bytes]:
        """Yield the whole message, chunk by chunk."""
        first = True
        async for part in parts:
            yield self.head(part.content_type, part.length, part.location, first=first)
            first = False
            async for chunk in part.body:
                yield chunk
        yield self.tail
