# SPDX-License-Identifier: Apache-2.0
"""What corrected studies and series look like: made anew from what objects say and what counts.

A row that is corrected remembers what it said before (``uncorrected``). To refresh it, that is put
back first, then everything that counts is laid over it: the patient (by way of moves and merges),
edits of the study, edits of its series. So corrections may be taken back in any order. Studies
carry the result also as ``coercion``: ``{'study': changes, 'series': {series UID: changes}}``,
changes being DICOM JSON by tag (null: taken out), for whoever gives objects out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.records.rows import SERIES_TAGS, STUDY_TAGS
from healthvision.domains.archive.schemas import Json
from healthvision.domains.archive.tables import CorrectionRow, Series, Study
from healthvision.domains.patients import service as patients
from healthvision.domains.patients.schemas import Standing
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

Changes = dict[str, Json | None]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that can be corrected: its tag and value representation."""

    tag: str
    vr: str


PATIENT = {
    "patient_id": Attribute("00100020", "LO"),
    "issuer_of_patient_id": Attribute("00100021", "LO"),
    "patient_name": Attribute("00100010", "PN"),
    "patient_sex": Attribute("00100040", "CS"),
    "patient_birth_date": Attribute("00100030", "DA"),
}
STUDY = {
    "accession_number": Attribute("00080050", "SH"),
    "study_date": Attribute("00080020", "DA"),
    "study_time": Attribute("00080030", "TM"),
    "description": Attribute("00081030", "LO"),
    "study_number": Attribute("00200010", "SH"),
    "referring_physician": Attribute("00080090", "PN"),
    "institution": Attribute("00080080", "LO"),
}
SERIES = {
    "number": Attribute("00200011", "IS"),
    "description": Attribute("0008103E", "LO"),
    "body_part": Attribute("00180015", "CS"),
    "laterality": Attribute("00200060", "CS"),
    "protocol_name": Attribute("00181030", "LO"),
}
OTHER_IDS = "00101002"
# Of the study's attributes, those that a series split off keeps from its own objects.
_OWN = frozenset({"00080005", "00080080", "00080201", "00401003"})
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@dataclass(frozen=True, slots=True)
class Overlay:
    """Corrected values: of columns of a row, and of attributes of objects."""

    columns: dict[str, Any] = field(default_factory=dict)
    tags: Changes = field(default_factory=dict)

    def put(self, known: Mapping[str, Attribute], values: Mapping[str, Any]) -> None:
        """Lay further values over what is there."""
        for name, value in values.items():
            self.columns[name] = value
            self.tags[known[name].tag] = element(known[name].vr, value)


def element(vr: str, value: str | int | None) -> Json:
    """Return a value as DICOM JSON; empty ones without Value."""
    if value is None or value == "":
        return {"vr": vr}
    if vr != "PN":
        return {"vr": vr, "Value": [value]}
    groups = zip(_NAME_GROUPS, str(value).split("="), strict=False)
    return {"vr": vr, "Value": [{name: group for name, group in groups if group}]}


def patient_overlay(standing: Standing) -> Overlay:
    """Return what objects shall say about their patient."""
    overlay = Overlay()
    overlay.put(
        PATIENT,
        {
            "patient_id": standing.patient_id,
            "issuer_of_patient_id": standing.issuer,
            "patient_name": standing.name,
            "patient_sex": standing.sex,
            "patient_birth_date": standing.birth_date,
        },
    )
    if standing.prior:
        items = [
            {"00100020": element("LO", n.patient_id), "00100021": element("LO", n.issuer)}
            for n in standing.prior
        ]
        overlay.tags[OTHER_IDS] = {"vr": "SQ", "Value": items}
    return overlay


def overlaid(
    values: Mapping[str, Any], overlay: Overlay, shown: Collection[str]
) -> tuple[dict[str, Any], Json]:
    """Return the columns of a row that change, and what brings them back.

    ``values``: the row's columns by name; ``shown``: tags that its ``dicom_json`` holds.
    """
    tags = {tag: value for tag, value in overlay.tags.items() if tag in shown}
    before = {
        "columns": {name: values[name] for name in overlay.columns},
        "tags": {tag: values["dicom_json"].get(tag) for tag in tags},
    }
    return _changed(values["dicom_json"], overlay.columns, tags), before


def _changed(json: Json, columns: Mapping[str, Any], tags: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**json, **tags}
    changed = dict(columns)
    changed["dicom_json"] = {t: merged[t] for t in sorted(merged) if merged[t] is not None}
    if "patient_name" in columns:
        changed["patient_search"] = patients.index_words(columns["patient_name"])
    return changed


def _lay_over(row: Study | Series, overlay: Overlay, shown: Collection[str]) -> Json:
    values = {name: getattr(row, name) for name in (*overlay.columns, "dicom_json")}
    changed, before = overlaid(values, overlay, shown)
    for name, value in changed.items():
        setattr(row, name, value)
    return before


def _restore(row: Study | Series) -> None:
    before = row.uncorrected
    if not before:
        return
    changed = _changed(row.dicom_json, before["columns"], before["tags"])
    for name, value in changed.items():
        setattr(row, name, value)
    if isinstance(row, Study):
        row.patient_ref = UUID(before["patient_ref"])
        row.coercion = None
    row.uncorrected = None


def home_of(study: Study) -> UUID:
    """Return the patient that the objects of a study name."""
    return UUID(study.uncorrected["patient_ref"]) if study.uncorrected else study.patient_ref


def assigned_of(study: Study, made: Sequence[CorrectionRow]) -> UUID:
    """Return whom a study belongs to but for merges; ``made``: what counts, oldest first."""
    moves = [c for c in made if c.kind == "study_move" and c.study_id == study.id]
    target = moves[-1].other_patient_ref if moves else None
    return target or home_of(study)


async def refresh(session: Session, actor: Actor, study: Study) -> None:
    """Make a study and its series what they are to look like now. The study is locked."""
    series = await corrections_rows.series_of(session, actor.org_id, study.id)
    ids = [row.id for row in series]
    made = await corrections_rows.counting(session, actor.org_id, study.id, ids)
    standing = await patients.standing(session, actor, assigned_of(study, made))
    _restore(study)
    overlay = Overlay()
    if standing.ref != study.patient_ref or standing.edited:
        overlay = patient_overlay(standing)
    for correction in made:
        if correction.kind == "study_edit":
            overlay.put(STUDY, correction.after)
    of_series = {row.series_uid: _refresh_series(row, made) for row in series}
    away = [row for row in series if row.home_study_id is not None]
    home = study.patient_ref
    if overlay.tags or away or any(of_series.values()):
        before = _lay_over(study, overlay, STUDY_TAGS)
        study.patient_ref = standing.ref
        study.uncorrected = {"patient_ref": str(home), **before}
        for row in away:
            of_series[row.series_uid] = {**_as_in(study, row), **of_series[row.series_uid]}
        kept = {name: changes for name, changes in of_series.items() if changes}
        study.coercion = {"study": overlay.tags, "series": kept}
    await session.flush()


def _refresh_series(row: Series, made: Sequence[CorrectionRow]) -> Changes:
    _restore(row)
    overlay = Overlay()
    for correction in made:
        if correction.kind == "series_edit" and correction.series_id == row.id:
            overlay.put(SERIES, correction.after)
    if overlay.tags:
        row.uncorrected = _lay_over(row, overlay, SERIES_TAGS)
    return overlay.tags


def _as_in(study: Study, series: Series) -> Changes:
    """Return what objects of another study say as part of this one."""
    tags: Changes = {t: study.dicom_json.get(t) for t in STUDY_TAGS if t not in _OWN}
    tags["0020000D"] = element("UI", study.study_uid)
    tags["0020000E"] = element("UI", series.series_uid)
    return tags


def arriving(
    connection: Connection, org_id: UUID, home: UUID, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns of a new study whose objects name a merged or corrected patient.

    ``values``: the columns as its objects say; ``home``: the patient they name.
    """
    standing = patients.standing_on(connection, org_id, home)
    overlay = patient_overlay(standing)
    changed, before = overlaid(values, overlay, STUDY_TAGS)
    return {
        **changed,
        "patient_ref": standing.ref,
        "coercion": {"study": overlay.tags, "series": {}},
        "uncorrected": {"patient_ref": str(home), **before},
    }
