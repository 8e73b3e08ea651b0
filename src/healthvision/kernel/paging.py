# SPDX-License-Identifier: Apache-2.0
"""Keyset paging: opaque cursors over ordered columns."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Protocol
from uuid import UUID

from pydantic import Field

from healthvision.kernel import strictjson
from healthvision.kernel.errors import Invalid, Problem

Limit = Annotated[int, Field(ge=1, le=1000, description="Rows per page.")]
DEFAULT_LIMIT = 50


class BadCursor(Invalid):
    """The cursor was not made by this list."""

    code, title = "bad-cursor", "Cursor not valid"


def encode_cursor(values: Sequence[str | int | float | None]) -> str:
    """Return the opaque cursor for the sort values of the last row of a page."""
    raw = strictjson.dumps(list(values)).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, count: int) -> list[Any]:
    """Return the ``count`` sort values of a cursor; raises BadCursor."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = strictjson.loads(raw)
    except (binascii.Error, ValueError, Problem):
        raise BadCursor("the cursor was not made by this list") from None
    if not isinstance(values, list) or len(values) != count:
        raise BadCursor("the cursor was not made by this list")
    return values


class _HasId(Protocol):
    @property
    def id(self) -> Any:
        """The id that the list is ordered by."""
        ...


def cursor_id(cursor: str | None) -> UUID | None:
    """Return the id in the cursor of a list that is ordered by id; raises BadCursor."""
    if cursor is None:
        return None
    try:
        return UUID(str(decode_cursor(cursor, 1)[0]))
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None


def next_id(rows: Sequence[_HasId], limit: int) -> str | None:
    """Return the cursor behind the first ``limit`` rows; None when nothing comes after them.

    ``rows``: ordered by id, read with one more than ``limit``.
    """
    return encode_cursor([str(rows[limit - 1].id)]) if len(rows) > limit else None
