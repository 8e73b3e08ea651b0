# SPDX-License-Identifier: Apache-2.0
"""The rows one transaction of the bulk writer reads and changes, each read and written once.

Statements are few and of fixed shapes: reads by IN lists, one UPDATE per changed row, inserts by
executemany, all compiled once (kernel/statements). What was read may be kept for the next
transaction as long as nobody else wrote to the database (``Memory``). Locks (PostgreSQL) are
taken on studies in order of their UIDs. Every query filters by organisation.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from healthvision.domains.archive.records.blobs import is_journal
from healthvision.domains.archive.records.planning import Known
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.bulkdb import insert_new
from healthvision.kernel.statements import MAX_IN, Statement

STUDIES = cast("Table", Study.__table__)
SERIES = cast("Table", Series.__table__)
MEMBERS = cast("Table", StudySpaceRow.__table__)
INSTANCES = cast("Table", Instance.__table__)
_ORG: BindParameter[Any] = bindparam("org")
_UIDS: BindParameter[Any] = bindparam("uids", expanding=True)
_LIVE_STUDIES = select(STUDIES).where(
    STUDIES.c.org_id == _ORG, STUDIES.c.study_uid.in_(_UIDS), STUDIES.c.deleted_at.is_(None)
)
_STUDIES_BY_UID = Statement(_LIVE_STUDIES)
_STUDIES_LOCKED = Statement(_LIVE_STUDIES.order_by(STUDIES.c.study_uid).with_for_update())
_MEMBERS_OF = Statement(
    select(MEMBERS)
    .where(MEMBERS.c.org_id == _ORG, MEMBERS.c.study_id.in_(bindparam("studies", expanding=True)))
    .order_by(MEMBERS.c.id)
)
_SERIES_BY_UID = Statement(
    select(SERIES).where(
        SERIES.c.org_id == _ORG,
        SERIES.c.study_id.in_(bindparam("studies", expanding=True)),
        SERIES.c.series_uid.in_(_UIDS),
    )
)
_KNOWN = Statement(
    select(*(INSTANCES.c[name] for name in Known._fields))
    .where(
        INSTANCES.c.org_id == _ORG,
        INSTANCES.c.sop_uid.in_(_UIDS),
        INSTANCES.c.deleted_at.is_(None),
    )
    .order_by(INSTANCES.c.id)
)
_PLACES = Statement(
    select(MEMBERS.c.space_id)
    .join(STUDIES, STUDIES.c.id == MEMBERS.c.study_id)
    .where(
        STUDIES.c.org_id == _ORG,
        STUDIES.c.study_uid == bindparam("uid"),
        STUDIES.c.deleted_at.is_(None),
        MEMBERS.c.org_id == _ORG,
    )
)
_INSERT_INSTANCES = Statement(insert(INSTANCES), ready=("dicom_json",))
_INSERT_MEMBERS = Statement(insert(MEMBERS))
_UPDATES = {
    t.name: Statement(update(t).where(t.c.id == bindparam("row_id")))
    for t in (STUDIES, SERIES, MEMBERS)
}
_ADD_UNSEALED = Statement(
    update(SERIES)
    .where(SERIES.c.id == bindparam("row_id"))
    .values(unsealed=SERIES.c.unsealed + bindparam("more"), last_instance_at=bindparam("at"))
)
MAX_KEPT = 4096  # studies and series


class Raced(Exception):
    """Another transaction made the same row just now: the same work succeeds at the next try."""


class Kept:
    """One row: its values, and which of them have to be written."""

    __slots__ = ("changes", "new", "values")

    def __init__(self, values: dict[str, Any], *, new: bool = False) -> None:
        self.values = values
        self.changes: dict[str, Any] = {}
        self.new = new

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self.values[name] != value:
            self.values[name] = self.changes[name] = value


@dataclass(slots=True)
class Memory:
    """Rows as the last transaction left them; only true while nobody else writes."""

    studies: dict[tuple[UUID, str], Kept] = field(default_factory=dict)
    members: dict[UUID, list[Kept]] = field(default_factory=dict)  # study id ->
    series: dict[tuple[UUID, str], Kept] = field(default_factory=dict)  # study id, UID ->
    policies: dict[UUID, SpaceRead] = field(default_factory=dict)
    wanted: dict[UUID, bool] = field(default_factory=dict)  # organisation -> who listens

    def clear(self) -> None:
        """Forget all."""
        for part in (self.studies, self.members, self.series, self.policies, self.wanted):
            part.clear()

    def trim(self) -> None:
        """Forget all when it is too much."""
        if len(self.studies) + len(self.series) > MAX_KEPT:
            self.clear()


class Unit:
    """All rows of one transaction."""

    def __init__(self, connection: Connection, memory: Memory | None = None) -> None:
        self.connection = connection
        self.memory = memory or Memory()
        self._locks = connection.dialect.name != "sqlite"  # SQLite: BEGIN IMMEDIATE did it
        self.studies, self.members = self.memory.studies, self.memory.members
        self._series = self.memory.series
        self._used_studies: dict[UUID, Kept] = {}
        self._used_series: dict[UUID, Kept] = {}
        self._known: dict[tuple[UUID, str], list[Known]] = {}  # organisation, SOP UID ->
        self._new: list[dict[str, Any]] = []
        self._unsealed: dict[UUID, dict[str, Any]] = {}
        self._recount: dict[UUID, UUID] = {}  # study -> organisation
        self._demoted: dict[UUID, set[UUID]] = {}
        self._conflicts: dict[UUID, set[str]] = {}

    def load_studies(self, org_id: UUID, uids: Collection[str], *, lock: bool = False) -> None:
        """Read live studies and where they are; with ``lock`` the studies again, locked."""
        if lock and not self._locks:
            return
        query = _STUDIES_LOCKED if lock else _STUDIES_BY_UID
        ids: list[UUID] = []
        for part in _parts(
            sorted(uid for uid in uids if lock or (org_id, uid) not in self.studies)
        ):
            for row in self._rows(query, STUDIES, org=org_id, uids=part):
                self.studies[org_id, row["study_uid"]] = Kept(row)
                self.members[row["id"]] = []
                ids.append(row["id"])
        for some in _parts(ids):
            for row in self._rows(_MEMBERS_OF, MEMBERS, org=org_id, studies=some):
                self.members[row["study_id"]].append(Kept(row))

    def load_series(self, org_id: UUID, wanted: Collection[tuple[str, str]]) -> None:
        """Read series by the UIDs of study and series; of studies not known there are none."""
        missing: dict[UUID, None] = {}
        uids: dict[str, None] = {}
        for study_uid, series_uid in wanted:
            study = self.studies.get((org_id, study_uid))
            if study is not None and (study["id"], series_uid) not in self._series:
                missing[study["id"]] = uids[series_uid] = None
        for part in _parts(sorted(uids)):
            for studies in _parts(list(missing)):
                given = {"org": org_id, "studies": studies, "uids": part}
                for row in self._rows(_SERIES_BY_UID, SERIES, **given):
                    self._series[row["study_id"], row["series_uid"]] = Kept(row)

    def _rows(self, query: Statement, table: Table, **given: Any) -> Iterable[dict[str, Any]]:
        names = table.c.keys()
        found = query.rows(self.connection, given)
        return [dict(zip(names, row, strict=True)) for row in found]

    def load_known(self, org_id: UUID, sop_uids: Collection[str]) -> None:
        """Read the live instances with these UIDs, also those not current."""
        for found in known_instances(self.connection, org_id, sop_uids):
            self._known.setdefault((org_id, found.sop_uid), []).append(found)

    def known(self, org_id: UUID, sop_uids: Iterable[str]) -> list[Known]:
        """Return what is stored, or about to be, under these UIDs."""
        return [k for uid in dict.fromkeys(sop_uids) for k in self._known.get((org_id, uid), ())]

    def study(self, org_id: UUID, uid: str) -> Kept | None:
        """Return a study."""
        found = self.studies.get((org_id, uid))
        if found is not None:
            self._used_studies[found["id"]] = found
        return found

    def series(self, study_id: UUID, uid: str) -> Kept | None:
        """Return a series."""
        found = self._series.get((study_id, uid))
        if found is not None:
            self._used_series[found["id"]] = found
        return found

    def add_study(self, values: dict[str, Any]) -> Kept:
        """Take a new study in."""
        if not insert_new(self.connection, STUDIES, values):
            raise Raced
        self.members[values["id"]] = []
        row = self.studies[values["org_id"], values["study_uid"]] = Kept(values)
        self._used_studies[values["id"]] = row
        return row

    def add_series(self, values: dict[str, Any]) -> Kept:
        """Take a new series in."""
        if not insert_new(self.connection, SERIES, values):
            raise Raced
        row = self._series[values["study_id"], values["series_uid"]] = Kept(values)
        self._used_series[values["id"]] = row
        return row

    def add_member(self, values: dict[str, Any]) -> Kept:
        """Put a study into a space."""
        row = Kept(values, new=True)
        self.members[values["study_id"]].append(row)
        return row

    def add_instance(self, values: dict[str, Any]) -> None:
        """Take a new instance in, whose bytes lie in a journal."""
        self._new.append(values)
        found = Known(*(values[name] for name in Known._fields))
        self._known.setdefault((values["org_id"], found.sop_uid), []).append(found)
        if not is_journal(values["store"]):
            return  # found again in a pack
        entry = self._unsealed.setdefault(
            values["series_id"], {"row_id": values["series_id"], "more": 0, "at": None}
        )
        entry["more"] += 1
        entry["at"] = values["received_at"]

    def note_conflicts(
        self, org_id: UUID, sop_uids: Collection[str], demoted: Collection[UUID], study_id: UUID
    ) -> None:
        """Note that several objects have these UIDs; ``demoted`` go out of sight."""
        self._conflicts.setdefault(org_id, set()).update(sop_uids)
        self._demoted.setdefault(org_id, set()).update(demoted)
        self._recount[study_id] = org_id
        for known in self.known(org_id, sop_uids):
            self._recount[known.study_id] = org_id
        for uid in sop_uids:
            self._known[org_id, uid] = [
                k._replace(current=False) if k.id in demoted else k
                for k in self._known.get((org_id, uid), ())
            ]

    def flush(self) -> None:
        """Write everything."""
        _INSERT_INSTANCES.many(self.connection, self._new)
        _write(self.connection, STUDIES, self._used_studies.values())
        self._write_series()
        _write(self.connection, MEMBERS, (m for s in self._used_studies for m in self.members[s]))
        for org_id, uids in self._conflicts.items():
            self._mark(org_id, uids)
        for study_id, org_id in self._recount.items():
            self._count_again(org_id, study_id)
        if self._recount:  # rows were changed that are kept here
            self.memory.clear()

    def _write_series(self) -> None:
        """Write series; ``unsealed`` by difference, since sealing changes it at the same time."""
        for row in self._used_series.values():
            added = self._unsealed.pop(row["id"], None)
            if added is not None:
                _ADD_UNSEALED.run(self.connection, {**added, **row.changes})
                row.changes = {}
        _write(self.connection, SERIES, self._used_series.values())

    def _mark(self, org_id: UUID, uids: Collection[str]) -> None:
        mine = INSTANCES.c.org_id == org_id
        hidden = update(INSTANCES).where(mine, INSTANCES.c.id.in_(self._demoted[org_id]))
        self.connection.execute(hidden.values(current=False))
        live = (mine, INSTANCES.c.sop_uid.in_(uids), INSTANCES.c.deleted_at.is_(None))
        self.connection.execute(update(INSTANCES).where(*live).values(conflict=True))

    def _count_again(self, org_id: UUID, study_id: UUID) -> None:
        """Compute the counts and sizes of a study and its series anew."""
        columns = INSTANCES.c
        query = select(columns.series_id, func.count(), func.sum(columns.length)).where(
            columns.org_id == org_id,
            columns.study_id == study_id,
            columns.current.is_(True),
            columns.deleted_at.is_(None),
        )
        counted = self.connection.execute(query.group_by(columns.series_id)).all()
        counts = {row[0]: (int(row[1]), int(row[2] or 0)) for row in counted}
        mine = (SERIES.c.org_id == org_id, SERIES.c.study_id == study_id)
        for series_id in self.connection.execute(select(SERIES.c.id).where(*mine)).scalars().all():
            count, size = counts.get(series_id, (0, 0))
            where = update(SERIES).where(SERIES.c.id == series_id)
            self.connection.execute(where.values(instance_count=count, size=size))
        this = update(STUDIES).where(STUDIES.c.org_id == org_id, STUDIES.c.id == study_id)
        totals = {
            "series_count": len(counts),
            "instance_count": sum(n for n, _ in counts.values()),
            "size": sum(s for _, s in counts.values()),
        }
        self.connection.execute(this.values(**totals))


def known_instances(
    connection: Connection, org_id: UUID, sop_uids: Collection[str]
) -> Sequence[Known]:
    """Return the live instances with these UIDs, also those not current, oldest first."""
    found: list[Known] = []
    for part in _parts(sorted(sop_uids)):
        rows = _KNOWN.rows(connection, {"org": org_id, "uids": part})
        found += map(Known._make, rows)
    return found


def places_of(connection: Connection, org_id: UUID, study_uid: str) -> set[UUID]:
    """Return the spaces of a live study; none when there is no such study."""
    return {row[0] for row in _PLACES.rows(connection, {"org": org_id, "uid": study_uid})}


def has_row(connection: Connection, org_id: UUID, instance_id: UUID) -> bool:
    """Tell whether an instance has a row, be it deleted."""
    query = select(INSTANCES.c.id).where(
        INSTANCES.c.org_id == org_id, INSTANCES.c.id == instance_id
    )
    return connection.execute(query).first() is not None


def _parts(values: Sequence[Any]) -> Iterable[list[Any]]:
    return (list(values[i : i + MAX_IN]) for i in range(0, len(values), MAX_IN))


def _write(connection: Connection, table: Table, rows: Iterable[Kept]) -> None:
    new = []
    for row in rows:
        if row.new:
            new.append(row.values)
        elif row.changes:
            _UPDATES[table.name].run(connection, {"row_id": row["id"], **row.changes})
        row.new, row.changes = False, {}
    _INSERT_MEMBERS.many(connection, new)  # studies and series are inserted at once
