# SPDX-License-Identifier: Apache-2.0
"""SQL of series objects: what is unsealed, who works on a series, packs and who lies in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from healthvision.domains.archive.records.blobs import JOURNAL
from healthvision.domains.archive.tables import (
    Instance,
    Pack,
    RejectedInstance,
    Series,
    Study,
    StudySpaceRow,
)
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session

JSON_BATCH = 256
PLACE = (
    Instance.id,
    Instance.sop_uid,
    Instance.sop_class_uid,
    Instance.sha256,
    Instance.store,
    Instance.object_key,
    Instance.offset,
    Instance.length,
    Instance.key_id,
    Instance.generation,
    Instance.origin,
    Instance.origin_detail,
    Instance.received_at,
    Instance.current,
    Instance.conflict,
    Instance.deleted_at,
    Instance.instance_number,
    Instance.rows,
    Instance.pixel_offset,
    Instance.encapsulated,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to seal or compact one series; ``generation`` is free for its pack."""

    org_id: UUID
    series_id: UUID
    study_id: UUID
    fence: int
    generation: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A series with unsealed instances and who held its claim last; ``size``: its bytes."""

    org_id: UUID
    series_id: UUID
    claimed_by: str
    claim_until: datetime | None
    size: int = 0
    last_instance_at: datetime | None = None


_WAITING = (
    Series.org_id,
    Series.id,
    Series.claimed_by,
    Series.claim_until,
    Series.size,
    Series.last_instance_at,
)


async def unsealed(
    session: Session, quiet_before: datetime, at: datetime, limit: int
) -> list[Waiting]:
    """Return series that are quiet, or whose study is due, oldest first, of all organisations."""
    due = exists().where(StudySpaceRow.study_id == Series.study_id, StudySpaceRow.due_at <= at)
    query = (
        select(*_WAITING)
        .where(Series.unsealed > 0, or_(Series.last_instance_at <= quiet_before, due))
        .order_by(Series.last_instance_at)
        .limit(limit)
    )
    return [Waiting(*row) for row in await session.execute(query)]


async def unsealed_of_studies(
    session: Session, org_id: UUID, study_ids: Collection[UUID]
) -> list[Waiting]:
    """Return the series of studies with unsealed instances, newest first."""
    query = select(*_WAITING).where(
        Series.org_id == org_id, Series.study_id.in_(study_ids), Series.unsealed > 0
    )
    query = query.order_by(Series.last_instance_at.desc())
    return [Waiting(*row) for row in await session.execute(query)]


async def unsealed_bytes(session: Session, org_id: UUID, study_id: UUID) -> int:
    """Return how many bytes of a study lie in journals."""
    query = select(func.sum(Instance.length)).where(
        Instance.org_id == org_id, Instance.study_id == study_id, Instance.store == JOURNAL
    )
    return int(await session.scalar(query) or 0)


async def renew(session: Session, claim: Claim, seconds: float) -> bool:
    """Make a claim last longer; False when it was lost."""
    return await _fenced(session, claim, {"claim_until": now() + timedelta(seconds=seconds)})


async def finish(session: Session, claim: Claim, sealed: int) -> bool:
    """End a claim and count the instances it took out of journals; False when it was lost."""
    left = case((Series.unsealed > sealed, Series.unsealed - sealed), else_=0)
    values = {"claimed_by": "", "claim_until": None, "unsealed": left}
    return await _fenced(session, claim, values)


async def give_up(session: Session, claim: Claim, pause_s: float) -> bool:
    """End a claim without a result; nobody tries again before the pause is over."""
    until = now() + timedelta(seconds=pause_s)
    return await _fenced(session, claim, {"claimed_by": "", "claim_until": until})


async def recount_unsealed(session: Session, claim: Claim) -> bool:
    """End a claim on a series without work and put its count right."""
    count = select(func.count()).where(_in_journal(claim.org_id, claim.series_id)).scalar_subquery()
    return await _fenced(session, claim, {"claimed_by": "", "claim_until": None, "unsealed": count})


async def _fenced(session: Session, claim: Claim, values: Mapping[str, Any]) -> bool:
    query = (
        update(Series)
        .where(
            Series.org_id == claim.org_id,
            Series.id == claim.series_id,
            Series.claim_fence == claim.fence,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    found = await session.execute(query)
    return bool(found.rowcount)  # type: ignore[attr-defined]


def _in_journal(org_id: UUID, series_id: UUID) -> Any:
    return and_(
        Instance.org_id == org_id,
        Instance.series_id == series_id,
        Instance.store == JOURNAL,
        Instance.damaged_at.is_(None),
    )


async def packed_rows(
    session: Session, org_id: UUID, places: Collection[tuple[str, str]], series_id: UUID
) -> Sequence[Any]:
    """Return the instances of a series that lie in these packs (store, key), in reading order."""
    query = select(*PLACE).where(
        Instance.org_id == org_id,
        Instance.series_id == series_id,
        Instance.object_key.in_({key for _, key in places}),
    )
    rows = (await session.execute(query.order_by(Instance.instance_number, Instance.id))).all()
    return [r for r in rows if (r.store, r.object_key) in places]


async def rows_with_json(session: Session, org_id: UUID, ids: Sequence[UUID]) -> list[Any]:
    """Return id, place, DICOM JSON and bulk places of instance rows."""
    found: list[Any] = []
    for start in range(0, len(ids), JSON_BATCH):
        query = select(
            Instance.id, Instance.store, Instance.object_key, Instance.dicom_json, Instance.bulk
        ).where(Instance.org_id == org_id, Instance.id.in_(ids[start : start + JSON_BATCH]))
        found += await session.execute(query)
    return found


async def places_of(
    session: Session, org_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str]]:
    """Return the stores and object keys of instances by id, as they are now."""
    found: dict[UUID, tuple[str, str]] = {}
    for start in range(0, len(ids), JSON_BATCH):
        query = select(Instance.id, Instance.store, Instance.object_key).where(
            Instance.org_id == org_id, Instance.id.in_(ids[start : start + JSON_BATCH])
        )
        found |= {row[0]: (row[1], row[2]) for row in await session.execute(query)}
    return found


async def location_of(session: Session, org_id: UUID, instance_id: UUID) -> Any:
    """Return the place of one instance as it is now, or None."""
    query = select(*PLACE).where(Instance.org_id == org_id, Instance.id == instance_id)
    return (await session.execute(query)).one_or_none()


async def picture_pack(session: Session, org_id: UUID, series_id: UUID) -> Pack | None:
    """Return the pack with the series' thumbnail: the largest one that has any.

    None in a study of which something was rejected: that could be what is on the picture.
    """
    query = select(Pack).where(
        Pack.org_id == org_id,
        Pack.series_id == series_id,
        Pack.state == "live",
        Pack.thumbnail_length > 0,
        ~exists().where(RejectedInstance.study_id == Pack.study_id),
    )
    query = query.order_by(Pack.instance_count.desc(), Pack.generation.desc()).limit(1)
    return (await session.scalars(query)).one_or_none()


async def relocate(session: Session, org_id: UUID, moves: Sequence[Mapping[str, Any]]) -> None:
    """Point instances to a new place, where they still lie at the old one.

    Each move: ``row_id``, ``was_store``, ``was_key``, ``was_offset`` and the columns to set (all
    moves the same ones).
    """
    if not moves:
        return
    table = Instance.__table__
    columns = [n for n in moves[0] if n not in ("row_id", "was_store", "was_key", "was_offset")]
    statement = (
        update(table)  # type: ignore[arg-type]
        .where(
            table.c.org_id == org_id,
            table.c.id == bindparam("row_id"),
            table.c.store == bindparam("was_store"),
            table.c.object_key == bindparam("was_key"),
            table.c.offset == bindparam("was_offset"),
        )
        .values({name: bindparam(f"new_{name}") for name in columns})
    )
    values = [{f"new_{k}" if k in columns else k: v for k, v in move.items()} for move in moves]
    connection = await session.connection()
    await connection.execute(statement, values)


async def mark_damaged(session: Session, org_id: UUID, ids: Collection[UUID]) -> list[UUID]:
    """Note that the bytes of instances are damaged; return those not noted before."""
    query = (
        update(Instance)
        .where(Instance.org_id == org_id, Instance.id.in_(ids), Instance.damaged_at.is_(None))
        .values(damaged_at=now())
        .returning(Instance.id)
        .execution_options(synchronize_session=False)
    )
    return list(await session.scalars(query))


async def live_packs(session: Session, org_id: UUID, series_id: UUID) -> Sequence[Pack]:
    """Return the packs of a series, oldest generation first."""
    query = select(Pack).where(
        Pack.org_id == org_id, Pack.series_id == series_id, Pack.state == "live"
    )
    return (await session.scalars(query.order_by(Pack.generation))).all()


async def packs_at(
    session: Session, org_id: UUID, places: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Pack]:
    """Return packs by store and object key."""
    keys = {key for _, key in places}
    query = select(Pack).where(Pack.org_id == org_id, Pack.object_key.in_(keys))
    return {(p.store, p.object_key): p for p in await session.scalars(query)}


async def holder_of(
    session: Session, org_id: UUID, series_id: UUID
) -> tuple[str, datetime | None] | None:
    """Return who claims a series and until when; None when there is no such series."""
    query = select(Series.claimed_by, Series.claim_until).where(
        Series.org_id == org_id, Series.id == series_id
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def retire(session: Session, org_id: UUID, pack_ids: Collection[UUID]) -> None:
    """Take packs out of use; their bytes go after the grace."""
    query = update(Pack).where(Pack.org_id == org_id, Pack.id.in_(pack_ids), Pack.state == "live")
    await session.execute(
        query.values(state="retired", retired_at=now()).execution_options(synchronize_session=False)
    )


async def retire_study(session: Session, org_id: UUID, study_id: UUID) -> None:
    """Take all packs of a study out of use."""
    query = select(Pack.id).where(Pack.org_id == org_id, Pack.study_id == study_id)
    await retire(session, org_id, list(await session.scalars(query)))


async def study_of_series(
    session: Session, org_id: UUID, series_id: UUID
) -> tuple[Study, Series] | None:
    """Return a series and its study, also a deleted one."""
    query = (
        select(Study, Series)
        .join(Series, Series.study_id == Study.id)
        .where(Series.org_id == org_id, Series.id == series_id)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])
