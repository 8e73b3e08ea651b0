# SPDX-License-Identifier: Apache-2.0
"""Checks the sealed log against itself and against the heads outside the database."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from healthvision.domains.audit import repository
from healthvision.domains.audit.anchors import Anchors
from healthvision.domains.audit.chain import GENESIS, HeadSigner, SignedHead, entry_of, link
from healthvision.domains.audit.keys import anchors_of, signer_of
from healthvision.domains.audit.merkle import Frontier, leaf_hash
from healthvision.domains.audit.repository import AnyRow
from healthvision.domains.audit.schemas import TamperKind, VerifyReport
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database, Session

CHUNK = 5000
MOVE_WINDOW = 1000
CHECKED_HEADS = 5000


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    kind: TamperKind
    sequence: int | None
    message: str


@dataclass(slots=True)
class _Walk:
    chain: bytes
    position: int
    frontier: Frontier | None
    heads: dict[int, SignedHead]
    fault: Fault | None = None
    checked: int = 0
    bad_row: AnyRow | None = None
    others: list[str] = field(default_factory=list)

    def step(self, rows: Sequence[AnyRow]) -> bool:
        """Recompute rows; stop at the first that is wrong."""
        chain, position, frontier, heads = self.chain, self.position, self.frontier, self.heads
        for row in rows:
            if row[0] != position + 1:
                self.fault = Fault("deletion", position + 1, f"event {position + 1} is missing")
                break
            entry = entry_of(row[0], row[2:])
            found = link(chain, entry)
            if found != row[1]:
                self.fault = Fault("edit", row[0], f"event {row[0]} was changed")
                self.bad_row = row
                break
            position, chain = row[0], found
            if frontier is not None:
                frontier.append(leaf_hash(entry))
            head = heads.get(position)
            if head is not None and head.chain != chain:
                self.fault = Fault(
                    "rewritten", None, f"events up to {position} are not those that were anchored"
                )
                break
        self.checked += position - self.position
        self.chain, self.position = chain, position
        return self.fault is None


async def verify(db: Database, anchors: Anchors | None = None, *, after: int = 0) -> VerifyReport:
    """Recompute every hash and compare with the published heads.

    Finds edit, deletion, reorder, tail cut and a chain that was rewritten as a whole, and names
    the first bad event. ``after``: start behind this sequence (only the newer part is checked).
    Never raises for a bad log: ``report.ok`` is false then.
    """
    started = monotonic()
    anchors = anchors or anchors_of(db)
    signer = signer_of(db)
    published = anchors.all()
    async with db.reading() as session:
        if not db.is_sqlite:  # one snapshot for all queries, as SQLite has it anyway
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        last_stored = await repository.newest_head(session)
        unsealed = await repository.count_unsealed(session)
        sealed = await repository.count_sealed(session)
        largest = await repository.largest_sequence(session)
        start = await repository.chain_at(session, after) if after <= largest else None
        whole = start is None or not after
        walk = _Walk(
            chain=GENESIS if start is None else start,
            position=0 if start is None else after,
            frontier=Frontier() if whole else None,
            heads=_by_size(published, signer),
        )
        await _run(session, walk, largest)
        if walk.fault is not None and walk.bad_row is not None:
            walk.fault = await _classify(session, walk, sealed)
    trusted = _newest(published, last_stored, signer)
    fault = _judge(walk, trusted, published=published, signer=signer)
    root = walk.frontier.root().hex() if walk.frontier is not None and walk.fault is None else None
    return VerifyReport(
        ok=fault is None,
        checked=walk.checked,
        sealed=sealed,
        unsealed=unsealed,
        anchored=published[-1].size if published else 0,
        first_bad=fault.sequence if fault else None,
        kind=fault.kind if fault else None,
        message=fault.message if fault else f"{walk.checked} events checked, none changed",
        root=root,
        seconds=round(monotonic() - started, 3),
        other_problems=walk.others,
    )


def _by_size(published: list[SignedHead], signer: HeadSigner) -> dict[int, SignedHead]:
    """Index the heads; the newest ones only after a look at their signature, which costs time."""
    older, newer = published[:-CHECKED_HEADS], published[-CHECKED_HEADS:]
    return {h.size: h for h in (*older, *(h for h in newer if signer.check(h)))}


async def _run(session: Session, walk: _Walk, largest: int) -> None:
    """Check page after page in a thread, so that a process that verifies goes on serving."""
    while walk.position < largest:
        until = walk.position + CHUNK
        rows = await repository.sealed_between(session, walk.position, until)
        if not rows:
            missing = walk.position + 1
            walk.fault = Fault("deletion", missing, f"event {missing} is missing")
            return
        if not await asyncio.to_thread(walk.step, rows):
            return


async def _classify(session: Session, walk: _Walk, sealed: int) -> Fault | None:
    """Tell a moved row from an edited one: a moved row fits at another place."""
    row, place = walk.bad_row, walk.position + 1
    assert row is not None
    low = max(0, place - MOVE_WINDOW)
    chains = await repository.chains_between(session, low, place + MOVE_WINDOW)
    if low == 0:
        chains[0] = GENESIS
    known = set(chains.values())
    values = row[2:]
    for other in chains:
        if other in (place, 0):
            continue
        entry = entry_of(other, values)
        for previous in (chains.get(other - 1), chains.get(other)):
            if previous is not None and link(previous, entry) in known:
                return Fault(
                    "reorder", place, f"event {place} stands where event {other} was or belongs"
                )
    return walk.fault


def _newest(
    published: list[SignedHead], stored: SignedHead | None, signer: HeadSigner
) -> SignedHead | None:
    genuine = [h for h in (*published[-1:], stored) if h is not None and signer.check(h)]
    return max(genuine, key=lambda h: h.size, default=None)


def _judge(
    walk: _Walk, trusted: SignedHead | None, *, published: list[SignedHead], signer: HeadSigner
) -> Fault | None:
    """Return the fault that explains what was found, the most telling first."""
    if walk.fault is not None:
        return walk.fault
    if published and not signer.check(published[-1]):
        return Fault("signature", None, "the newest published head has a wrong signature")
    if trusted is None:
        if walk.position == 0:
            return None
        return Fault("anchor-missing", None, "there are sealed events and no signed head")
    if walk.position < trusted.size:
        return Fault(
            "tail-cut",
            walk.position + 1,
            f"{trusted.size} events were anchored, {walk.position} are left",
        )
    if walk.position == trusted.size and walk.chain != trusted.chain:
        return Fault("rewritten", None, "the whole log is not the one that was anchored")
    if walk.position > trusted.size:
        return Fault(
            "rewritten", trusted.size + 1, f"events after {trusted.size} have no signed head"
        )
    if walk.frontier is not None and walk.frontier.root() != trusted.root:
        return Fault("rewritten", None, "the Merkle root is not the one that was anchored")
    return None
