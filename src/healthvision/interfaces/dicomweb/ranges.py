# SPDX-License-Identifier: Apache-2.0
"""One byte range of a known length (RFC 9110 14)."""

import re
from dataclasses import dataclass

from healthvision.kernel.errors import Problem

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


class RangeNotSatisfiable(Problem):
    """The asked range lies outside of the bytes there are."""

    status, code, title = 416, "range-not-satisfiable", "Range not satisfiable"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start .. start + length`` of ``total``."""

    start: int
    length: int
    total: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that go with the answer, whole or part."""
        headers = {"Content-Length": str(self.length), "Accept-Ranges": "bytes"}
        if self.length != self.total:
            last = self.start + self.length - 1
            headers["Content-Range"] = f"bytes {self.start}-{last}/{self.total}"
        return headers

    @property
    def status(self) -> int:
        """Return 206 for a part, 200 for the whole."""
        return 200 if self.length == self.total else 206


def span_of(header: str | None, total: int) -> Span:
    """Return the bytes asked for; unreadable and multiple ranges give the whole.

    Raises RangeNotSatisfiable when the range begins behind the end.
    """
    match = _ONE.match(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return Span(0, total, total)
    first, last = match.groups()
    if first == "":
        length = min(int(last), total)
        if length == 0:
            raise RangeNotSatisfiable("the range is empty", length=total)
        return Span(total - length, length, total)
    start, end = int(first), int(last) if last else total - 1
    if start >= total:
        raise RangeNotSatisfiable("the range begins behind the end", length=total)
    if end < start:
        return Span(0, total, total)
    return Span(start, min(end, total - 1) - start + 1, total)
