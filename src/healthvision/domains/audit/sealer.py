# SPDX-License-Identifier: Apache-2.0
"""Appends committed rows to the hash chain and the Merkle tree, then publishes the signed head.

The order is: commit the sealed rows, then publish. A crash between the two is mended at the next
run, which publishes what the anchors lack. The state row is locked, so two sealers cannot give
the same place twice.
"""

import asyncio

from healthvision.domains.audit import repository
from healthvision.domains.audit.anchors import Anchors
from healthvision.domains.audit.chain import SignedHead, entry_of, link
from healthvision.domains.audit.errors import AuditTampered, AuditUnavailable
from healthvision.domains.audit.keys import anchors_of, signer_of
from healthvision.domains.audit.merkle import Node, leaf_hash
from healthvision.domains.audit.repository import Sealed
from healthvision.domains.audit.rows import to_us
from healthvision.domains.audit.settings import AuditSettings
from healthvision.domains.audit.tables import AuditState
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, Session

MAX_BATCHES = 50


async def seal_batch(db: Database, limit: int) -> int:
    """Seal up to ``limit`` rows in one transaction, without publishing; returns how many.

    Raises AuditTampered when the stored end of the log contradicts the published head.
    """
    async with db.reading() as session:
        if not await repository.has_unsealed(session):
            return 0
    last = await asyncio.to_thread(anchors_of(db).last)
    signer = signer_of(db)
    async with db.transaction() as session:
        state = await repository.locked_state(session)
        if last is not None:
            await _check_end(session, state, last.size, last.chain)
        rows = await repository.unsealed(session, limit)
        if not rows:
            return 0
        frontier, nodes, sealed = repository.frontier_of(state), list[tuple[Node, bytes]](), []
        chain, size = bytes(state.chain), state.size

        def keep(node: Node, value: bytes) -> None:
            nodes.append((node, value))

        for row in rows:
            size += 1
            entry = entry_of(size, row)
            chain = link(chain, entry)
            frontier.append(leaf_hash(entry), keep)
            sealed.append(Sealed(row[0], size, chain))
        await repository.mark_sealed(session, sealed)
        await repository.add_nodes(session, nodes)
        root = frontier.root()
        head = signer.sign(size=size, root=root, chain=chain, at_us=to_us(now()))
        await repository.add_head(session, head)
        state.size, state.chain, state.frontier = size, chain, b"".join(frontier.hashes)
    return len(rows)


async def _check_end(session: Session, state: AuditState, size: int, chain: bytes) -> None:
    if state.size < size:
        raise AuditTampered(f"{size} events were anchored, the database knows of {state.size}")
    stored = state.chain if state.size == size else await repository.chain_at(session, size)
    if stored is None or bytes(stored) != chain:
        raise AuditTampered(f"the log was rewritten at or before event {size}", sequence=size)


async def publish_heads(db: Database, anchors: Anchors | None = None) -> int:
    """Publish the stored heads that the anchors lack; returns how many.

    Raises AuditUnavailable when the place outside the database cannot be written.
    """
    anchors = anchors or anchors_of(db)
    signer = signer_of(db)
    last = await asyncio.to_thread(anchors.last)
    published = 0
    after = 0 if last is None else last.size
    while True:
        async with db.reading() as session:
            heads = await repository.heads_after(session, after)
        genuine = [head for head in heads if signer.check(head)]
        if genuine:
            try:
                await asyncio.to_thread(anchors.publish, genuine)
            except OSError as error:
                reason = error.strerror or "unknown"
                raise AuditUnavailable(f"tree heads cannot be published: {reason}") from None
        published += len(genuine)
        if not heads:
            return published
        after = heads[-1].size


async def seal(db: Database) -> int:
    """Seal all waiting rows, publishing the head of each batch; returns how many.

    Raises AuditTampered and AuditUnavailable.
    """
    limit = AuditSettings().seal_batch
    total = 0
    for _ in range(MAX_BATCHES):
        count = await seal_batch(db, limit)
        total += count
        if count or total == 0:
            await publish_heads(db)
        if count < limit:
            break
    return total


async def restart_anchors(db: Database) -> SignedHead | None:
    """Put the published heads aside after a restore from a backup, and publish the current one.

    To be called by an administrator only, on purpose; the old file stays for the inspector.
    Returns the head that now counts.
    """
    anchors = anchors_of(db)
    stamp = now().strftime("%Y%m%dT%H%M%SZ")
    await asyncio.to_thread(anchors.retire, f"until-{stamp}")
    await publish_heads(db, anchors)
    return await asyncio.to_thread(anchors.last)
