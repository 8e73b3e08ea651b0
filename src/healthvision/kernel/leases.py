# SPDX-License-Identifier: Apache-2.0
"""Leased rows: one holder at a time over all processes, with a fencing number."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import Base, Database, Session


class Lease(Base):
    """A named right that ends by itself."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=1)


class WorkerHeartbeat(Base):
    """A sign of life of one worker process."""

    __tablename__ = "worker_heartbeats"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


ALIVE_S = 30.0


@dataclass(frozen=True, slots=True)
class LivingWorker:
    """A worker that gave a sign of life lately, and on which host."""

    worker_id: str
    host: str
    seen_at: datetime


async def living_workers(session: Session) -> list[LivingWorker]:
    """Return the workers of the installation seen in the last ``ALIVE_S`` seconds."""
    since = now() - timedelta(seconds=ALIVE_S)
    rows = await session.scalars(select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > since))
    return [LivingWorker(r.worker_id, r.host, r.seen_at) for r in rows]


async def acquire(session: Session, name: str, holder: str, seconds: float) -> int | None:
    """Take or renew a lease; returns its fencing number, or None when another holds it.

    The number grows each time the holder changes.
    """
    at = now()
    until = at + timedelta(seconds=seconds)
    renewed = await session.execute(
        update(Lease).where(Lease.name == name, Lease.holder == holder).values(until=until)
    )
    if renewed.rowcount == 0:  # type: ignore[attr-defined]
        taken = await session.execute(
            update(Lease)
            .where(Lease.name == name, Lease.until < at)
            .values(holder=holder, until=until, fence=Lease.fence + 1)
        )
        if taken.rowcount == 0 and not await _insert(session, name, holder, until):  # type: ignore[attr-defined]
            return None
    return await session.scalar(select(Lease.fence).where(Lease.name == name))


async def _insert(session: Session, name: str, holder: str, until: datetime) -> bool:
    if await session.scalar(select(Lease.name).where(Lease.name == name)) is not None:
        return False
    try:
        async with session.begin_nested():
            session.add(Lease(name=name, holder=holder, until=until, fence=1))
    except IntegrityError:
        return False
    return True


async def is_held(session: Session, name: str) -> bool:
    """Tell whether anybody holds a lease now (or died with it a moment ago)."""
    query = select(Lease.name).where(Lease.name == name, Lease.until > now())
    return await session.scalar(query) is not None


async def settle(db: Database) -> None:
    """Have all that was committed so far, also what was not durable, survive a power cut."""
    async with db.transaction() as session:  # it has to write something to be synced
        await acquire(session, "settled", "settled", 0.0)


async def release_all(session: Session, holder: str) -> None:
    """Give back every lease of a holder (at a clean stop)."""
    past = now() - timedelta(seconds=1)
    await session.execute(update(Lease).where(Lease.holder == holder).values(until=past))
