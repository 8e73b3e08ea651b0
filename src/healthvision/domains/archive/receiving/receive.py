# SPDX-License-Identifier: Apache-2.0
"""The only way in for bytes: rights, limits and batches; ``ingest`` does the rest.

A crash in between leaves at most records of a journal, which are replayed. Sending the same bytes
again is harmless at any time.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import BinaryIO
from uuid import UUID

from healthvision.domains.archive.receiving.holding import read_file as read_file
from healthvision.domains.archive.receiving.ingest import Receiver, receiver_of
from healthvision.domains.archive.schemas import Incoming, Origin, Received
from healthvision.domains.storage import service as storage
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

Items = Iterable[Incoming] | AsyncIterable[Incoming]


async def receive(
    db: Database,
    actor: Actor,
    items: Items,
    *,
    space_id: UUID | str,
    origin: Origin,
) -> list[Received]:
    """Keep objects and return one answer per item, in order; then they are safe and visible.

    Objects that are refused go to quarantine and are answered as such. Items are written in
    batches; when this raises, earlier batches are kept and sending again is harmless. Must not
    be called inside a writing session. Raises SpaceNotFound, Forbidden, FileTooLarge,
    OutOfSpace, StoreUnavailable, DatabaseUnavailable.
    """
    receiver = receiver_of(db)
    if isinstance(items, list | tuple) and _is_one_batch(items, receiver):
        return await receiver.receive(actor, space_id, origin, items)
    space = await asyncio.to_thread(receiver.space, actor, space_id)
    answers: list[Received] = []
    async for batch in _batches(items, receiver):
        answers += await receiver.receive(actor, space, origin, batch)
    return answers


def _is_one_batch(items: Sequence[Incoming], receiver: Receiver) -> bool:
    settings = receiver.settings
    if not 0 < len(items) <= settings.batch_items:
        return False
    return sum(map(receiver.check_size, items)) <= settings.memory_bytes * 4


def spool(db: Database) -> BinaryIO:
    """Return an empty temporary file without a name for an object too large for memory.

    Fill it, pass it as ``Incoming.source``, close it afterwards. Raises OutOfSpace.
    """
    return storage.scratch_file(db)


async def _batches(items: Items, receiver: Receiver) -> AsyncIterator[list[Incoming]]:
    batch: list[Incoming] = []
    held, settings = 0, receiver.settings
    async for item in _each(items):
        held += receiver.check_size(item)
        batch.append(item)
        if len(batch) >= settings.batch_items or held >= settings.memory_bytes * 4:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


async def _each(items: Items) -> AsyncIterator[Incoming]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
