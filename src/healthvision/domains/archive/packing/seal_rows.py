# SPDX-License-Identifier: Apache-2.0
"""SQL of sealing several series of one organisation together: a few statements for all of them.

On SQLite every writing transaction keeps all other writers waiting for the disk once, so that one
for each series would cost the senders more than the sealing itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BindParameter, Table, bindparam, case, func, or_, select, update

from healthvision.domains.archive.records.blobs import JOURNAL
from healthvision.domains.archive.records.pack_rows import PLACE, Claim, rows_with_json
from healthvision.domains.archive.tables import Instance, ReceiverRow, Series, Study, StudySpaceRow
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session

_SERIES = cast("Table", Series.__table__)


@dataclass(frozen=True, slots=True)
class Found:
    """A claimed series: where its unsealed instances lie, in reading order, and what names it."""

    claim: Claim
    study: Study
    series: Series
    rows: Sequence[Any]  # of pack_rows.PLACE
    spaces: Sequence[UUID]


async def claim_many(
    session: Session,
    org_id: UUID,
    series_ids: Collection[UUID],
    holder: str,
    seconds: float,
    dead: Collection[str],
) -> list[Claim]:
    """Take the right to work on series; those that others hold, or write to now, are left out.

    ``dead``: holders that are known to be gone.
    """
    at = now()
    free = or_(
        Series.claim_until.is_(None), Series.claim_until < at, Series.claimed_by.in_(sorted(dead))
    )
    query = select(Series.id).where(Series.org_id == org_id, Series.id.in_(series_ids), free)
    locked = query.order_by(Series.id).with_for_update(skip_locked=True)
    ids = list(await session.scalars(locked))
    if not ids:
        return []
    taken = (
        update(Series)
        .where(Series.org_id == org_id, Series.id.in_(ids))
        .values(
            claimed_by=holder,
            claim_until=at + timedelta(seconds=seconds),
            claim_fence=Series.claim_fence + 1,
            generation=Series.generation + 1,
        )
        .returning(Series.id, Series.study_id, Series.claim_fence, Series.generation)
        .execution_options(synchronize_session=False)
    )
    return [Claim(org_id, *row) for row in await session.execute(taken)]


async def find_unsealed(
    session: Session, org_id: UUID, claims: Sequence[Claim]
) -> tuple[list[Found], list[Claim]]:
    """Return what claimed series have in journals, and the claims that have nothing there."""
    ids = [c.series_id for c in claims]
    rows: dict[UUID, list[Any]] = {}
    query = select(*PLACE, Instance.series_id).where(
        Instance.org_id == org_id,
        Instance.series_id.in_(ids),
        Instance.store == JOURNAL,
        Instance.damaged_at.is_(None),
    )
    for row in await session.execute(query.order_by(Instance.instance_number, Instance.id)):
        rows.setdefault(row.series_id, []).append(row)
    named = (
        select(Study, Series)
        .join(Series, Series.study_id == Study.id)
        .where(Series.org_id == org_id, Series.id.in_(ids))
    )
    parents = {series.id: (study, series) for study, series in await session.execute(named)}
    studies = {c.study_id for c in claims}
    places = select(StudySpaceRow.study_id, StudySpaceRow.space_id).where(
        StudySpaceRow.org_id == org_id, StudySpaceRow.study_id.in_(studies)
    )
    spaces: dict[UUID, list[UUID]] = {}
    for study_id, space_id in await session.execute(places):
        spaces.setdefault(study_id, []).append(space_id)
    found = [
        Found(c, *parents[c.series_id], rows[c.series_id], spaces.get(c.study_id, ()))
        for c in claims
        if c.series_id in rows and c.series_id in parents
    ]
    return found, [c for c in claims if c.series_id not in rows]


async def documents_of(
    session: Session, org_id: UUID, rows: Sequence[Any]
) -> dict[UUID, tuple[dict[str, Any], Mapping[str, Any]]]:
    """Return the DICOM JSON and the bulk places of instance rows by id."""
    found = await rows_with_json(session, org_id, [row.id for row in rows])
    return {d.id: (d.dicom_json, d.bulk) for d in found}


async def finish_many(
    session: Session, org_id: UUID, sealed: Mapping[Claim, int]
) -> frozenset[Claim]:
    """End claims and count the instances they took out of journals; return those not lost."""
    ids = [c.series_id for c in sealed]
    query = select(Series.id, Series.claim_fence).where(Series.org_id == org_id, Series.id.in_(ids))
    rows = await session.execute(query.order_by(Series.id).with_for_update())
    fences = {row[0]: row[1] for row in rows}
    held = frozenset(c for c in sealed if fences.get(c.series_id) == c.fence)
    if held:
        count: BindParameter[int] = bindparam("sealed")
        left = case((_SERIES.c.unsealed > count, _SERIES.c.unsealed - count), else_=0)
        ended = (
            update(_SERIES)
            .where(_SERIES.c.org_id == org_id, _SERIES.c.id == bindparam("series"))
            .values(claimed_by="", claim_until=None, unsealed=left)
        )
        connection = await session.connection()
        values = [{"series": c.series_id, "sealed": sealed[c]} for c in held]
        await connection.execute(ended, values)
    return held


async def last_received(session: Session) -> Any:
    """Return when rows of received objects were last written, None when never."""
    return await session.scalar(select(func.max(ReceiverRow.updated_at)))
