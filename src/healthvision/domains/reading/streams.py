# SPDX-License-Identifier: Apache-2.0
"""The event stream of the worklist: rows as they change, for one caller."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from healthvision.domains.reading import worklist_rows
from healthvision.domains.reading.settings import ReadingSettings
from healthvision.domains.reading.tables import WorklistRow
from healthvision.domains.reading.worklist import Sight, items_of, sight_of
from healthvision.kernel.clock import monotonic, now
from healthvision.kernel.db import Database, Session
from healthvision.kernel.errors import Forbidden, Unauthenticated
from healthvision.kernel.security import Actor, Renewal

_SILENCE_S = 15.0
_OVERLAP = 5_000_000  # microseconds: a transaction may show a row later than it stamped it
_MOST = 1000  # rows looked at in one go; the rest comes with the next look


@dataclass(slots=True)
class _Told:
    """What a watcher was told: the newest moment, and the revision and progress per study."""

    moment: int
    floor: int  # where the next look begins
    rows: dict[UUID, tuple[int, float | None]] = field(default_factory=dict)
    stamps: dict[UUID, int] = field(default_factory=dict)
    running: set[UUID] = field(default_factory=set)

    def forget_old(self) -> None:
        """Keep only what the overlap can bring again, and what runs."""
        old = [s for s, at in self.stamps.items() if at < self.moment - 2 * _OVERLAP]
        for study in old:
            if study not in self.running:
                del self.stamps[study]
                self.rows.pop(study, None)


async def worklist_events(
    db: Database, actor: Actor, seen: int, again: Renewal | None = None
) -> AsyncGenerator[bytes]:
    """Yield server-sent events (WHATWG HTML 9.2) until ``events_seconds`` are over.

    ``study``: a row as the list gives it; ``gone``: ``{"study_id"}`` of a deleted one. The id is
    the moment of the change (microseconds); ``seen``: the last one the client knows, 0 for a
    start now. After a time without connection a row may come twice, never not at all. Ends also
    when ``again`` says that the caller may not come in any more.
    """
    settings = ReadingSettings()
    end, spoken = monotonic() + settings.events_seconds, monotonic()
    start = seen or _micros()
    told = _Told(start, start - _OVERLAP)
    yield b"retry: 2000\n\n"
    yield f"id: {told.moment}\nevent: hello\ndata: {{}}\n\n".encode()
    while monotonic() < end:
        try:
            actor = actor if again is None else await again()
        except (Unauthenticated, Forbidden):
            return
        for event in await _news(db, actor, told):
            spoken = monotonic()
            yield event
        if monotonic() - spoken > _SILENCE_S:
            spoken = monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(settings.events_poll_s)


def _micros() -> int:
    return int(now().timestamp() * 1_000_000)


async def _news(db: Database, actor: Actor, told: _Told) -> list[bytes]:
    async with db.reading() as session:
        sight = await sight_of(session, actor)
        changed = await worklist_rows.changed_after(session, actor.org_id, told.floor, _MOST)
        fresh = [r for r in changed if told.rows.get(r.study_id, (-1,))[0] < r.revision]
        told.moment = max([told.moment, *(r.changed for r in fresh)])
        full = len(changed) == _MOST
        told.floor = changed[-1].changed - 1 if full else told.moment - _OVERLAP
        events = await _tell(session, actor, sight, told, fresh)
    told.forget_old()
    return events


async def _tell(
    session: Session, actor: Actor, sight: Sight, told: _Told, fresh: Sequence[WorklistRow]
) -> list[bytes]:
    moved = _moved(sight, told)
    wanted = {r.study_id for r in fresh} | moved
    if not wanted:
        return []
    visible = await worklist_rows.some(session, sight.where(actor.org_id), wanted)
    events: list[bytes] = []
    for item in await items_of(session, actor, sight, visible):
        told.rows[item.study_id] = (item.revision, item.ai.progress)
        events.append(_event("study", told.moment, item.model_dump_json()))
    shown = {r.study_id for r in visible}
    for row in fresh:
        told.stamps[row.study_id] = row.changed
        if row.study_id not in shown:
            told.rows[row.study_id] = (row.revision, None)
    for study in await _gone(session, sight, fresh):
        events.append(_event("gone", told.moment, f'{{"study_id": "{study}"}}'))
    return events


async def _gone(session: Session, sight: Sight, fresh: Sequence[WorklistRow]) -> list[UUID]:
    """Return the deleted studies among rows that lay in a space the caller may read."""
    ids = [row.study_id for row in fresh if row.gone]
    places = await worklist_rows.spaces_of(session, ids) if ids else {}
    return [i for i in ids if not set(places.get(i, ())).isdisjoint(sight.slugs)]


def _moved(sight: Sight, told: _Told) -> set[UUID]:
    """Return studies whose analysis began, went on or stopped since the last look."""
    moved = told.running - set(sight.running)
    for study, task in sight.running.items():
        before = told.rows.get(study, (0, None))[1]
        if before is None or abs(before - task.progress) >= 0.01:
            moved.add(study)
    told.running = set(sight.running)
    return moved


def _event(kind: str, moment: int, data: str) -> bytes:
    return f"id: {moment}\nevent: {kind}\ndata: {data}\n\n".encode()
