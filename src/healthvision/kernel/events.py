# SPDX-License-Identifier: Apache-2.0
"""Facts that travel up: written as rows, and enqueued once per subscriber, in one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, ClassVar, TypeVar, get_type_hints
from uuid import UUID

from sqlalchemy import Connection, Index, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel import jobs
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Base, Database, OrgOwned, Session, resources_of
from healthvision.kernel.errors import Busy
from healthvision.kernel.resources import Resources
from healthvision.kernel.security import Actor

DELIVER = "kernel.deliver_event"
SPREAD = "kernel.spread_event"
READINGS = 3  # that a handler in two parts gets outside of its writing transaction
E = TypeVar("E", bound="Event")


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all facts. Subclasses are frozen dataclasses with ids only, nothing personal.

    Set ``topic = "room.fact.vN"``. ``org_id`` and ``subject`` (the thing it is about) are needed.
    """

    topic: ClassVar[str] = ""
    org_id: UUID
    subject: UUID


def known_topics() -> frozenset[str]:
    """Return the topics of all events of the modules that are loaded."""
    return frozenset(_kinds())


def _kinds() -> dict[str, type[Event]]:
    found, stack = {}, list(Event.__subclasses__())
    while stack:
        kind = stack.pop()
        found[kind.topic] = kind
        stack.extend(kind.__subclasses__())
    return {topic: kind for topic, kind in found.items() if topic}


@dataclass(frozen=True, slots=True)
class Envelope:
    """Any event as rooms see it that subscribe by topic pattern."""

    id: UUID
    topic: str
    org_id: UUID
    subject: UUID
    at: datetime
    actor: str
    body: dict[str, Any]
    trace_id: str | None


class EventRow(OrgOwned):
    """One published fact; the id is also the id receivers use to see a repeat."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_org_subject", "org_id", "subject"),)

    topic: Mapped[str] = mapped_column(index=True)
    subject: Mapped[UUID]
    at: Mapped[datetime]
    actor: Mapped[str]
    body: Mapped[dict[str, Any]]
    trace_id: Mapped[str | None]


class EventDelivery(Base):
    """One event handled by one handler, written in the handler's own transaction."""

    __tablename__ = "event_deliveries"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    handler: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)


Handler = Callable[[Session, Actor, Any], Awaitable[None]]
Wanted = Callable[[Session, Any], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A handler that is asked, when an event is published, whether it has any work with it.

    A delivery is a job, which costs far more than the question. ``wanted`` sees what the
    publishing transaction sees and must not write.
    """

    handler: Handler
    wanted: Wanted


class Stale(Exception):
    """What a handler in two parts had read is true no more: read again."""


@dataclass(frozen=True, slots=True)
class InTwo:
    """A handler in two parts, for one that reads much and writes little.

    ``read`` (session, actor, event) gets a session for reading, so that no other writer waits for
    it, and returns what ``write`` (session, actor, event, what was read) needs. ``write`` runs in
    a short writing transaction together with the note that the event was handled; it must find
    out itself whether what was read is true still and raise Stale when not. After a few times both
    run in one writing transaction. On SQLite the transaction is not synced: a power cut may undo
    it together with the end of its job, which then runs again.
    """

    name: str  # that of the handler in the jobs of deliveries: never changed
    read: Callable[[Session, Actor, Any], Awaitable[Any]]
    write: Callable[[Session, Actor, Any, Any], Awaitable[None]]


Subscriptions = Mapping[type[Event] | str, Sequence[Handler | Asked | InTwo]]


@dataclass(frozen=True, slots=True)
class _Subscriber:
    name: str
    pattern: str
    event: type[Event] | None
    handler: Handler | InTwo
    wanted: Wanted | None = None


class EventRegistry:
    """Who listens to what; filled by ``app/`` from each ``module.py``.

    ``elsewhere``: this process does not have the rooms that listen; a job of a worker, which has
    them, finds out who does (``spread``).
    """

    def __init__(self, *, elsewhere: bool = False) -> None:
        self.elsewhere = elsewhere
        self._subscribers: dict[str, _Subscriber] = {}

    def add(self, room: str, subscriptions: Subscriptions) -> None:
        """Register a room's subscriptions; keys are event classes or topic patterns ('a.*')."""
        for key, handlers in subscriptions.items():
            pattern = key if isinstance(key, str) else key.topic
            event = None if isinstance(key, str) else key
            for given in handlers:
                asked = given if isinstance(given, Asked) else None
                handler = given.handler if isinstance(given, Asked) else given
                called = (
                    handler.name
                    if isinstance(handler, InTwo)
                    else getattr(handler, "__name__", "handler")
                )
                name = f"{room}.{called}@{pattern}"
                wanted = asked.wanted if asked else None
                self._subscribers[name] = _Subscriber(name, pattern, event, handler, wanted)

    def matching(self, topic: str) -> list[str]:
        """Return the names of the handlers that listen to a topic."""
        return [s.name for s in self._subscribers.values() if fnmatchcase(topic, s.pattern)]

    def find(self, name: str) -> _Subscriber | None:
        """Return one subscriber by name, or None when the room is not in this installation."""
        return self._subscribers.get(name)


async def publish(session: Session, actor: Actor, event: Event) -> UUID:
    """Write the event and one delivery job per subscriber into the session's transaction.

    Returns the event's id.
    """
    row = EventRow(**_row_values(actor, event))
    session.add(row)
    await session.flush()
    if resources_of(session).get(EventRegistry).elsewhere:
        await jobs.enqueue(session, SPREAD, {"event_id": str(row.id)}, job_id=f"{row.id}:spread")
    else:
        await _enqueue_deliveries(session, row.id, event)
    return row.id


async def _enqueue_deliveries(session: Session, event_id: UUID, event: Event) -> None:
    registry = resources_of(session).get(EventRegistry)
    for name in registry.matching(event.topic):
        subscriber = registry.find(name)
        if subscriber is None or (
            subscriber.wanted is not None and not await subscriber.wanted(session, event)
        ):
            continue
        await jobs.enqueue(
            session,
            DELIVER,
            {"event_id": str(event_id), "handler": name},
            job_id=f"{event_id}:{name}",
        )


async def spread(context: "jobs.JobContext", payload: Mapping[str, Any]) -> None:
    """Enqueue the deliveries of an event whose publisher did not know who listens.

    Safe to run twice: a delivery's job has one id.
    """
    async with context.db.transaction() as session:
        row = await session.scalar(select(EventRow).where(EventRow.id == UUID(payload["event_id"])))
        kind = None if row is None else _kinds().get(row.topic)
        if row is not None and kind is not None:
            await _enqueue_deliveries(session, row.id, _rebuild(kind, row))


def publish_on(connection: Connection, resources: Resources, actor: Actor, event: Event) -> UUID:
    """Write an event in a bulk writer's transaction; see ``publish``."""
    values = {**_row_values(actor, event), "created_at": now()}
    connection.execute(insert(EventRow), values)
    if resources.get(EventRegistry).elsewhere:
        jobs.enqueue_on(
            connection,
            resources,
            SPREAD,
            {"event_id": str(values["id"])},
            job_id=f"{values['id']}:spread",
        )
    for name in resources.get(EventRegistry).matching(event.topic):
        payload = {"event_id": str(values["id"]), "handler": name}
        job_id = f"{values['id']}:{name}"
        jobs.enqueue_on(connection, resources, DELIVER, payload, job_id=job_id)
    found: UUID = values["id"]
    return found


def _row_values(actor: Actor, event: Event) -> dict[str, Any]:
    return {
        "id": new_id(),
        "org_id": event.org_id,
        "topic": event.topic,
        "subject": event.subject,
        "at": now(),
        "actor": f"{actor.kind}:{actor.id}",
        "body": _body(event),
        "trace_id": actor.trace_id,
    }


def _body(event: Event) -> dict[str, Any]:
    return {
        k: v if isinstance(v, str | int | bool | None) else str(v) for k, v in asdict(event).items()
    }


def _rebuild(kind: type[E], row: EventRow) -> E:
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = row.body.get(field.name)
        if value is not None and hints[field.name] in (UUID, UUID | None):
            value = UUID(value)
        values[field.name] = value
    return kind(**values)


async def deliver(context: "jobs.JobContext", payload: Mapping[str, Any]) -> None:
    """Run one handler on one event in one transaction; a second delivery does nothing.

    A handler in two parts reads before that transaction.
    """
    subscriber = context.db.resources.get(EventRegistry).find(payload["handler"])
    if subscriber is None:
        return
    event_id, handler = UUID(payload["event_id"]), subscriber.handler
    if isinstance(handler, InTwo):
        await _deliver_in_two(context.db, subscriber, handler, event_id)
        return
    async with context.db.turns.turn(), context.db.transaction() as session:
        row = await _undelivered(session, subscriber, event_id)
        if row is not None:
            await handler(session, _actor(row), _argument(subscriber, row))


async def _deliver_in_two(
    db: Database, subscriber: _Subscriber, handler: InTwo, event_id: UUID
) -> None:
    for _ in range(READINGS):
        async with db.reading() as session:
            row = await session.scalar(select(EventRow).where(EventRow.id == event_id))
            if row is None:
                return
            known = await handler.read(session, _actor(row), _argument(subscriber, row))
        try:
            async with _writing(db) as session:
                row = await _undelivered(session, subscriber, event_id)
                if row is not None:
                    await handler.write(session, _actor(row), _argument(subscriber, row), known)
            return
        except Stale:
            continue
    try:
        async with _writing(db) as session:
            row = await _undelivered(session, subscriber, event_id)
            if row is not None:
                actor, event = _actor(row), _argument(subscriber, row)
                known = await handler.read(session, actor, event)
                await handler.write(session, actor, event, known)
    except Stale as error:  # with several writers at a time (PostgreSQL)
        raise Busy("the same thing is being changed by others", retry_after=1) from error


@asynccontextmanager
async def _writing(db: Database) -> AsyncIterator[Session]:
    """Open the transaction of a delivery in two parts, in turn; on SQLite it is not synced."""
    async with db.turns.turn(), db.transaction(durable=not db.is_sqlite) as session:
        yield session


async def _undelivered(
    session: Session, subscriber: _Subscriber, event_id: UUID
) -> EventRow | None:
    """Note that an event is handled and return it; None when it was before, or is not there."""
    row: EventRow | None = await session.scalar(select(EventRow).where(EventRow.id == event_id))
    if row is None:
        return None
    try:
        async with session.begin_nested():
            session.add(EventDelivery(event_id=row.id, handler=subscriber.name))
    except IntegrityError:
        return None
    return row


def _actor(row: EventRow) -> Actor:
    return Actor.system(row.org_id, on_behalf_of=row.actor)


def _argument(subscriber: _Subscriber, row: EventRow) -> Event | Envelope:
    if subscriber.event is not None:
        return _rebuild(subscriber.event, row)
    return Envelope(
        id=row.id,
        topic=row.topic,
        org_id=row.org_id,
        subject=row.subject,
        at=row.at,
        actor=row.actor,
        body=row.body,
        trace_id=row.trace_id,
    )
