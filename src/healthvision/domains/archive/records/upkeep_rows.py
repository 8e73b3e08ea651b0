# SPDX-License-Identifier: Apache-2.0
"""SQL of looking after what is stored: scrubbing, sweeping, purging, verifying, rebuilding.

Most of it works over all organisations, since it is the installation's own work.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import String, case, cast, delete, func, literal_column, or_, select, update

from healthvision.domains.archive.records.blobs import JOURNAL
from healthvision.domains.archive.records.pack_rows import JSON_BATCH, PLACE
from healthvision.domains.archive.tables import Instance, Pack, ReceiverRow, Series, Study
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session


async def used_pack_keys(session: Session, store: str, keys: Collection[str]) -> frozenset[str]:
    """Return which of these object keys of a store are packs, live or retired."""
    query = select(Pack.object_key).where(Pack.store == store, Pack.object_key.in_(keys))
    return frozenset(await session.scalars(query))


async def single_keys(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the object keys of instances by id, of all organisations."""
    query = select(Instance.id, Instance.object_key).where(Instance.id.in_(ids))
    return {row[0]: row[1] for row in await session.execute(query)}


async def checkpoints(session: Session) -> dict[str, int]:
    """Return the segment up to which each receiver's rows are committed, by receiver id."""
    query = select(ReceiverRow.id, ReceiverRow.segment)
    return {str(row[0]): int(row[1]) for row in await session.execute(query)}


async def used_segments(session: Session, keys: Sequence[str]) -> frozenset[str]:
    """Return which of these journal segments a row points into, of all organisations."""
    found: set[str] = set()
    for start in range(0, len(keys), JSON_BATCH):
        query = select(Instance.object_key).where(
            Instance.store == literal_column(f"'{JOURNAL}'"),
            Instance.object_key.in_(keys[start : start + JSON_BATCH]),
        )
        found |= set(await session.scalars(query.distinct()))
    return frozenset(found)


async def forget_pack(session: Session, org_id: UUID, pack_id: UUID) -> None:
    """Delete the row of a pack whose bytes are gone."""
    await session.execute(delete(Pack).where(Pack.org_id == org_id, Pack.id == pack_id))


async def note_check(session: Session, pack: Pack, damaged: list[str]) -> bool:
    """Note when a pack was checked and what is damaged; False when it is not live any more."""
    query = (
        update(Pack)
        .where(Pack.org_id == pack.org_id, Pack.id == pack.id, Pack.state == "live")
        .values(verified_at=now(), damaged=damaged)
        .execution_options(synchronize_session=False)
    )
    return bool((await session.execute(query)).rowcount)  # type: ignore[attr-defined]


class Single(NamedTuple):
    """An instance row as the scrubber needs it."""

    id: UUID
    org_id: UUID
    study_id: UUID
    store: str
    object_key: str
    offset: int
    key_id: UUID | None
    length: int
    sha256: str
    damaged_at: datetime | None


async def instances_after(session: Session, after: UUID, limit: int) -> list[Single]:
    """Return instance rows by id, of all organisations."""
    columns = [getattr(Instance, name) for name in Single._fields]
    query = select(*columns).where(Instance.id > after).order_by(Instance.id).limit(limit)
    return [Single(*row) for row in await session.execute(query)]


async def purgeable_instances(session: Session, before: datetime, limit: int) -> Sequence[Any]:
    """Return instances deleted before a time out of studies that are live and not on hold."""
    query = (
        select(Instance.org_id, Instance.study_id, Instance.series_id, *PLACE)
        .join(Study, Study.id == Instance.study_id)
        .where(
            Instance.deleted_at < before, Study.deleted_at.is_(None), Study.legal_hold.is_(False)
        )
        .limit(limit)
    )
    return (await session.execute(query)).all()


async def remove_instances(session: Session, org_id: UUID, rows: Sequence[Any]) -> None:
    """Delete instance rows of an organisation; their bytes in packs count as garbage then."""
    ids = [row.id for row in rows]
    await session.execute(delete(Instance).where(Instance.org_id == org_id, Instance.id.in_(ids)))
    garbage: dict[tuple[str, str], int] = {}
    unsealed: dict[UUID, int] = {}
    for row in rows:
        if row.store == JOURNAL:
            unsealed[row.series_id] = unsealed.get(row.series_id, 0) + 1
        else:
            place = (row.store, row.object_key)
            garbage[place] = garbage.get(place, 0) + row.length
    for (store, key), size in garbage.items():
        lying = (Pack.org_id == org_id, Pack.store == store, Pack.object_key == key)
        await session.execute(update(Pack).where(*lying).values(garbage=Pack.garbage + size))
    for series_id, count in unsealed.items():
        left = case((Series.unsealed > count, Series.unsealed - count), else_=0)
        mine = (Series.org_id == org_id, Series.id == series_id)
        await session.execute(update(Series).where(*mine).values(unsealed=left))


async def totals(session: Session, org_id: UUID) -> dict[str, Any]:
    """Return counts of packs and damage of an organisation."""
    live = (Pack.org_id == org_id, Pack.state == "live")
    never = func.count().filter(Pack.verified_at.is_(None))
    bad = func.count().filter(cast(Pack.damaged, String) != "[]")
    query = select(
        func.count(),
        func.sum(Pack.size),
        func.sum(Pack.garbage),
        never,
        bad,
        func.min(Pack.verified_at),
    ).where(*live)
    packs = (await session.execute(query)).one()
    damaged = select(func.count()).where(
        Instance.org_id == org_id, Instance.damaged_at.is_not(None)
    )
    unsealed = select(func.sum(Series.unsealed)).where(Series.org_id == org_id, Series.unsealed > 0)
    return {
        "packs": packs[0],
        "bytes": int(packs[1] or 0),
        "garbage_bytes": int(packs[2] or 0),
        "never_verified": packs[3],
        "damaged_packs": packs[4],
        "verified_since": packs[5],
        "damaged_instances": await session.scalar(damaged),
        "unsealed_instances": int(await session.scalar(unsealed) or 0),
    }


async def retired(session: Session, before: datetime, limit: int) -> Sequence[Pack]:
    """Return packs out of use since before a time, of all organisations."""
    query = select(Pack).where(Pack.state == "retired", Pack.retired_at < before)
    return (await session.scalars(query.order_by(Pack.retired_at).limit(limit))).all()


async def to_scrub(session: Session, before: datetime, limit: int) -> Sequence[Pack]:
    """Return packs not verified since a time, those never verified first."""
    query = select(Pack).where(
        Pack.state == "live", or_(Pack.verified_at.is_(None), Pack.verified_at < before)
    )
    order = (Pack.verified_at.is_not(None), Pack.verified_at, Pack.id)
    return (await session.scalars(query.order_by(*order).limit(limit))).all()


async def to_compact(session: Session, generations: int, limit: int) -> list[tuple[UUID, UUID]]:
    """Return (organisation, series) with too many packs or too much garbage."""
    query = (
        select(Pack.org_id, Pack.series_id)
        .where(Pack.state == "live")
        .group_by(Pack.org_id, Pack.series_id)
        .having(
            or_(func.count() > generations, func.sum(Pack.garbage) * 10 > func.sum(Pack.size) * 3)
        )
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def elsewhere(
    session: Session, store: str, limit: int, *, org_id: UUID | None = None
) -> list[tuple[UUID, UUID]]:
    """Return (organisation, series) with a live pack that is not in a store."""
    query = select(Pack.org_id, Pack.series_id).where(Pack.state == "live", Pack.store != store)
    if org_id is not None:
        query = query.where(Pack.org_id == org_id)
    rows = await session.execute(query.distinct().limit(limit))
    return [(row[0], row[1]) for row in rows]


async def located(session: Session, org_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Return where instances lie by id, with their study and series."""
    found: dict[UUID, Any] = {}
    for start in range(0, len(ids), JSON_BATCH):
        query = select(
            Instance.id,
            Instance.study_id,
            Instance.series_id,
            Instance.store,
            Instance.object_key,
            Instance.offset,
        ).where(Instance.org_id == org_id, Instance.id.in_(ids[start : start + JSON_BATCH]))
        found |= {row.id: row for row in await session.execute(query)}
    return found


async def raise_generation(
    session: Session, org_id: UUID, series_id: UUID, generation: int
) -> None:
    """Make sure that the next pack of a series gets a higher generation than this one."""
    query = update(Series).where(
        Series.org_id == org_id, Series.id == series_id, Series.generation < generation
    )
    await session.execute(query.values(generation=generation))


async def counts(session: Session) -> tuple[int, int]:
    """Return how many live packs and instances there are, of all organisations."""
    packs = select(func.count()).select_from(Pack).where(Pack.state == "live")
    instances = select(func.count()).select_from(Instance)
    return int(await session.scalar(packs) or 0), int(await session.scalar(instances) or 0)


async def packs_after(session: Session, after: UUID, limit: int) -> Sequence[Pack]:
    """Return live packs by id, of all organisations."""
    query = select(Pack).where(Pack.id > after, Pack.state == "live")
    return (await session.scalars(query.order_by(Pack.id).limit(limit))).all()


async def known_places(
    session: Session, places: Collection[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Return which of these (store, key) are packs, of all organisations."""
    query = select(Pack.store, Pack.object_key).where(Pack.object_key.in_({k for _, k in places}))
    return frozenset((row[0], row[1]) for row in await session.execute(query))


async def studies(session: Session, *, study_uid: str | None = None) -> list[tuple[UUID, UUID]]:
    """Return (organisation, study) of live studies, of all organisations."""
    query = select(Study.org_id, Study.id).where(Study.deleted_at.is_(None)).order_by(Study.id)
    if study_uid is not None:
        query = query.where(Study.study_uid == study_uid)
    return [(row[0], row[1]) for row in await session.execute(query)]


async def all_instances(
    session: Session, org_id: UUID, study_id: UUID
) -> list[tuple[Instance, Series]]:
    """Return all live instances of a study, also those not current, with their series."""
    query = (
        select(Instance, Series)
        .join(Series, Series.id == Instance.series_id)
        .where(
            Instance.org_id == org_id,
            Instance.study_id == study_id,
            Instance.deleted_at.is_(None),
        )
        .order_by(Series.id, Instance.id)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]
