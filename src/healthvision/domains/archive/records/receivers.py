# SPDX-License-Identifier: Apache-2.0
"""The rows of receiving processes: how far the rows of each journal are committed."""

from typing import cast
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from healthvision.domains.archive.tables import ReceiverRow
from healthvision.kernel.clock import now
from healthvision.kernel.journal import Position
from healthvision.kernel.statements import Statement

_ROWS = cast("Table", ReceiverRow.__table__)
_UPDATE = Statement(update(_ROWS).where(_ROWS.c.id == bindparam("receiver")))


def save_checkpoint(connection: Connection, receiver: UUID, position: Position) -> None:
    """Note how far a journal is done, in the transaction that did it."""
    values = {"segment": position.segment, "offset": position.offset, "updated_at": now()}
    if _UPDATE.run(connection, {"receiver": receiver, **values}) == 0:
        connection.execute(insert(_ROWS), {"id": receiver, "created_at": now(), **values})


def checkpoint_of(connection: Connection, receiver: UUID) -> Position | None:
    """Return from where on a journal must be replayed; None when all of it is done for ever."""
    query = select(_ROWS.c.segment, _ROWS.c.offset, _ROWS.c.closed_at).where(_ROWS.c.id == receiver)
    row = connection.execute(query).one_or_none()
    if row is None:
        return Position(0, 0)
    return None if row.closed_at is not None else Position(row.segment, row.offset)


def close_receiver(connection: Connection, receiver: UUID, segment: int) -> None:
    """Note that nothing is left to replay; ``segment``: a number above all segments."""
    save_checkpoint(connection, receiver, Position(segment, 0))
    _UPDATE.run(connection, {"receiver": receiver, "closed_at": now()})


def forget_receiver(connection: Connection, receiver: UUID) -> None:
    """Remove the row of a receiver whose folder is gone."""
    connection.execute(delete(_ROWS).where(_ROWS.c.id == receiver))
