# SPDX-License-Identifier: Apache-2.0
"""What a viewer's request reads, found in one hop to a thread: space, study, instances, packs.

The same answers as ``reading.locate`` and ``reading.metadata_texts``, with statements that are
compiled once, for the doors that are called many times a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    Table,
    bindparam,
    literal_column,
    select,
)

from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.packing import documents
from healthvision.domains.archive.packing.pack_reading import Documents
from healthvision.domains.archive.retrieving.coercing import changes_of, coerced_text
from healthvision.domains.archive.retrieving.opening import corrected
from healthvision.domains.archive.retrieving.references import InStudy, reference
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.archive.tables import Instance, Pack, Series, Study, StudySpaceRow
from healthvision.domains.spaces import service as spaces
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.hotread import reader_of
from healthvision.kernel.security import Actor
from healthvision.kernel.statements import MAX_IN, Statement

Query = Select[*tuple[Any, ...]]
Variants = dict[tuple[bool, bool, bool], Statement]
_STUDIES = cast("Table", Study.__table__).c
_SERIES = cast("Table", Series.__table__).c
_INSTANCES = cast("Table", Instance.__table__).c
_IN_SPACES = cast("Table", StudySpaceRow.__table__).c
_PACKS = cast("Table", Pack.__table__)
_STUDY = (
    _STUDIES.id.label("study_id"),
    _STUDIES.study_uid,
    _STUDIES.patient_ref,
    _STUDIES.coercion,
)
_PLACE = (_INSTANCES.id, _INSTANCES.sop_uid, _INSTANCES.store, _INSTANCES.object_key)
_WHOLE = (
    *_PLACE,
    _INSTANCES.org_id,
    _INSTANCES.series_id,
    _INSTANCES.sop_class_uid,
    _INSTANCES.transfer_syntax,
    _INSTANCES.instance_number,
    _INSTANCES.number_of_frames,
    _INSTANCES.rows,
    _INSTANCES.columns,
    _INSTANCES.deflated,
    _INSTANCES.encapsulated,
    _INSTANCES.pixel_offset,
    _INSTANCES.pixel_length,
    _INSTANCES.frames,
    _INSTANCES.bulk,
    _INSTANCES.generation,
    _INSTANCES.offset,
    _INSTANCES.length,
    _INSTANCES.key_id,
    _INSTANCES.sha256,
    _INSTANCES.received_at,
    _INSTANCES.origin,
    _SERIES.modality,
)
_ORG: BindParameter[UUID] = bindparam("org")
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_STUDY_IN_SPACE = Statement(
    select(*_STUDY)
    .select_from(_STUDIES.id.table)
    .join(_IN_SPACES.id.table, _IN_SPACES.study_id == _STUDIES.id)
    .where(
        _STUDIES.org_id == _ORG,
        _STUDIES.study_uid == bindparam("study"),
        _STUDIES.deleted_at.is_(None),
        _IN_SPACES.space_id == bindparam("space"),
    )
)
_PACKS_AT = Statement(select(_PACKS).where(_PACKS.c.org_id == _ORG, _PACKS.c.object_key.in_(_KEYS)))


# SQLite knows no figures of the data: without the plus it would walk all instances of the
# organisation for those of one study, or of a study for those of one series. One SOP Instance
# UID is found by its own index.
_ORG_ASIDE: Any = literal_column("+instances.org_id", _INSTANCES.org_id.type)
_STUDY_ASIDE: Any = literal_column("+instances.study_id", _INSTANCES.study_id.type)


def _instances(columns: Sequence[Any], *, series: bool, sop: bool, steered: bool) -> Query:
    steered = steered and not sop
    org = _ORG_ASIDE if steered else _INSTANCES.org_id
    study = _STUDY_ASIDE if steered and series else _INSTANCES.study_id
    query: Query = (
        select(_SERIES.series_uid, *columns)
        .select_from(_INSTANCES.id.table)
        .join(_SERIES.id.table, _SERIES.id == _INSTANCES.series_id)
        .where(
            org == _ORG,
            study == bindparam("study_id"),
            _INSTANCES.current.is_(True),
            _INSTANCES.deleted_at.is_(None),
        )
        .order_by(_SERIES.number, _SERIES.id, _INSTANCES.instance_number, _INSTANCES.id)
    )
    if series:
        query = query.where(_SERIES.org_id == _ORG, _SERIES.series_uid == bindparam("series"))
    if sop:
        query = query.where(_INSTANCES.sop_uid == bindparam("sop"))
    return query


def _variants(columns: Sequence[Any]) -> Variants:
    """Return the statements by: on SQLite, within a series, one SOP Instance UID."""
    return {
        (steered, series, sop): Statement(
            _instances(columns, series=series, sop=sop, steered=steered)
        )
        for steered in (False, True)
        for series in (False, True)
        for sop in (False, True)
    }


_WHOLE_OF = _variants(_WHOLE)
_PLACES_OF = _variants(_PLACE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request names. ``space``: slug or id."""

    space: UUID | str
    study: str
    series: str | None = None
    sop: str | None = None


@dataclass(frozen=True, slots=True)
class ReadyMetadata:
    """The DICOM JSON text of one instance, ready but for the addresses of its bulk values."""

    series_uid: str
    sop_uid: str
    text: bytes


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """The study and the space that were found."""

    space_id: UUID
    study_id: UUID
    patient_ref: UUID


async def find_refs(
    db: Database, actor: Actor, wanted: Wanted, *, stored: bool = False
) -> tuple[StudyPlace, list[InstanceRef]]:
    """Return the instances of a study, series or one instance in reading order.

    They speak of the objects as they go out, or, ``stored``, as they were received. Raises
    SpaceNotFound and StudyNotFound (also when the series or instance is not there).
    """

    def work(connection: Connection) -> tuple[StudyPlace, Any, list[InstanceRef]]:
        place, study, rows = _rows(connection, actor, wanted, _WHOLE_OF)
        one = InStudy(study.study_id, study.study_uid, study.patient_ref)
        return place, study.coercion, [reference(row, row, one) for row in rows]

    place, coercion, refs = await reader_of(db).run(work)
    if coercion is None or stored:
        return place, refs
    refs = [replace(r, changes=changes_of(coercion, r.series_uid)) for r in refs]
    return place, await corrected(db, refs)


async def ready_metadata(
    db: Database, actor: Actor, wanted: Wanted, *, stored: bool = False
) -> tuple[StudyPlace, list[ReadyMetadata]]:
    """Return the study and its instances' JSON texts in reading order: the fastest way.

    As ``reading.metadata_texts``, without what is needed to cut pixels.
    """

    def work(connection: Connection) -> tuple[StudyPlace, Any, list[Any], list[Any]]:
        place, study, rows = _rows(connection, actor, wanted, _PLACES_OF)
        return place, study.coercion, rows, _packs_of(connection, actor.org_id, rows)

    place, coercion, rows, packs = await reader_of(db).run(work)
    texts = await _packed(db, packs)
    left = [row for row in rows if row.id not in texts]
    if left:  # not sealed yet, or moved since
        async with db.reading() as session:
            texts |= await documents.texts_of(session, actor.org_id, documents.places_of(left))
    if coercion is not None and not stored:
        by_series = {uid: changes_of(coercion, uid) for uid in {r.series_uid for r in rows}}
        texts |= {r.id: coerced_text(texts[r.id], by_series[r.series_uid]) for r in rows}
    return place, [ReadyMetadata(r.series_uid, r.sop_uid, texts[r.id]) for r in rows]


def _packs_of(connection: Connection, org_id: UUID, rows: Sequence[Any]) -> list[Any]:
    keys = list({r.object_key for r in rows if documents.is_packed(r.object_key)})
    found: list[Any] = []
    for start in range(0, len(keys), MAX_IN):
        wanted = {"org": org_id, "keys": keys[start : start + MAX_IN]}
        found += _PACKS_AT.records(connection, wanted)
    return found


async def _packed(db: Database, packs: Sequence[Any]) -> dict[UUID, bytes]:
    """Return the texts of whole packs; what cannot be read here is left to ``documents``."""
    kept = db.resources.get(Documents)
    texts: dict[UUID, bytes] = {}
    for row in packs:
        try:
            texts |= await kept.of_pack(db, cast("Pack", row))  # a row has all that is read of it
        except (Damaged, ObjectMissing):
            continue
    return texts


def _rows(
    connection: Connection,
    actor: Actor,
    wanted: Wanted,
    statements: Variants,
) -> tuple[StudyPlace, Any, list[Any]]:
    space = spaces.get_on(connection, actor, wanted.space)
    named = {"org": actor.org_id, "study": wanted.study, "space": space.id}
    found = _STUDY_IN_SPACE.records(connection, named)
    if not found:
        raise StudyNotFound("there is no such study in this space")
    study = found[0]
    named = {"org": actor.org_id, "study_id": study.study_id}
    if wanted.series is not None:
        named["series"] = wanted.series
    if wanted.sop is not None:
        named["sop"] = wanted.sop
    on_sqlite = connection.dialect.name == "sqlite"
    statement = statements[on_sqlite, wanted.series is not None, wanted.sop is not None]
    rows = statement.records(connection, named)
    if not rows:
        raise StudyNotFound("there is no such series or instance in this study")
    return StudyPlace(space.id, study.study_id, study.patient_ref), study, rows
