# SPDX-License-Identifier: Apache-2.0
"""Make an index of many instances without any pixels, to measure searches on it.

Run: ``python scripts/make_index.py --folder F --instances N``. Rows of patients, studies, series
and instances are written straight into the database of ``F`` (SQLite in ``F/data``, or
PostgreSQL by ``HV_DATABASE_URL``), as a busy hospital has them: skewed numbers of images, series
and studies per patient, Chinese and Latin names of unequal frequency, ten years of dates.
``F/index.json`` keeps the API key and a sample of studies for ``bench_index.py``.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import JSON, Boolean, Integer, Table, make_url

from healthvision.app import accounts, schema
from healthvision.app.process import open_process
from healthvision.domains.archive.records.rows import INSTANCE_TAGS
from healthvision.domains.archive.tables import Instance, Series, Study, StudySpaceRow
from healthvision.domains.patients.service import index_words
from healthvision.domains.patients.tables import Patient
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import UtcDateTime
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

FAMILIES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
FAMILY_PINYIN = """
    Wang Li Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Sun Hu Zhu Gao Lin He Guo Ma Luo Liang Song
    Zheng Xie Han Tang Feng Yu Dong Xiao Cheng Cao Yuan Deng Xu Fu Shen Zeng Peng Lu
"""
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂玉兰红梅建国文华志飞鹏雪林浩宇欣怡子涵"
LATIN = ("Smith^John", "Müller^Jörg", "García^Lucía", "O'Neill^Anne", "Dupont^Élodie")
MODALITIES = ("CT", "MR", "DX", "CR", "US", "MG", "XA", "PT")
WEIGHTS = (50, 20, 12, 8, 6, 2, 1, 1)
PARTS = ("CHEST", "HEAD", "ABDOMEN", "LSPINE", "KNEE", "HAND")
BATCH = 20_000
ROOT = "1.2.826.0.1.3680043.8.498"


def blank(table: Table, sqlite: bool) -> dict[str, Any]:
    """Return a row of a table in which everything has its empty value."""
    row: dict[str, Any] = {}
    for column in table.columns:
        given = getattr(column.default, "arg", None)
        if column.nullable:
            row[column.name] = None
        elif isinstance(column.type, Boolean):
            row[column.name] = bool(given) if not callable(given) else False
        elif isinstance(column.type, UtcDateTime):
            row[column.name] = moment(datetime.now(UTC), sqlite)
        elif isinstance(column.type, JSON) or hasattr(column.type, "impl_instance"):
            row[column.name] = "[]" if column.name in ("frames", "damaged") else "{}"
        elif isinstance(column.type, Integer):
            row[column.name] = given if isinstance(given, int) else 0
        else:
            row[column.name] = given if isinstance(given, str) else ""
    return row


def moment(at: datetime, sqlite: bool) -> Any:
    """Return a time as the database's driver takes it."""
    return at.replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S.%f") if sqlite else at


class Writer:
    """Writes rows of several tables in batches, parents first."""

    def __init__(self, url: str) -> None:
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        tables = [t.__table__ for t in (Patient, Study, StudySpaceRow, Series, Instance)]
        self.tables: list[Table] = tables  # type: ignore[assignment]
        self.blanks = {t.name: blank(t, self.sqlite) for t in self.tables}
        self.rows: dict[str, list[tuple[Any, ...]]] = {t.name: [] for t in self.tables}
        self.insert: Callable[[Table, Sequence[tuple[Any, ...]]], None]
        if self.sqlite:
            self.lite = sqlite3.connect(str(make_url(url).database), isolation_level=None)
            for pragma in ("synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
                self.lite.execute(f"PRAGMA {pragma}")
            self.insert = self._lite
        else:
            parsed = make_url(url).set(drivername="postgresql")
            plain = parsed.render_as_string(hide_password=False)
            self.post = psycopg.connect(plain, autocommit=True)
            self.insert = self._copy

    def id(self) -> Any:
        """Return a new id as the database's driver takes it."""
        return self.key(new_id())

    def key(self, value: UUID) -> Any:
        """Return an id as the database's driver takes it."""
        return value.hex if self.sqlite else value

    def add(self, table: str, **values: Any) -> None:
        """Add a row; absent columns have their empty value."""
        self.rows[table].append(tuple({**self.blanks[table], **values}.values()))

    def flush(self) -> None:
        """Write what waits."""
        if self.sqlite:
            self.lite.execute("BEGIN")
        for table in self.tables:
            if self.rows[table.name]:
                self.insert(table, self.rows[table.name])
                self.rows[table.name].clear()
        if self.sqlite:
            self.lite.execute("COMMIT")

    def _lite(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        names = ", ".join(f'"{c.name}"' for c in table.columns)
        marks = ", ".join("?" * len(table.columns))
        self.lite.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)

    def _copy(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        names = ", ".join(f'"{c.name}"' for c in table.columns)
        statement = f'COPY "{table.name}" ({names}) FROM STDIN'.encode()
        with self.post.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def close(self) -> None:
        """Write what waits, give the planner its figures and close."""
        self.flush()
        if self.sqlite:
            self.lite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.lite.close()
        else:
            self.post.execute("VACUUM ANALYZE")
            self.post.close()


def person(rnd: random.Random) -> str:
    """Return a name; common families are far more common."""
    if rnd.random() < 0.05:
        return rnd.choice(LATIN)
    family = min(int(rnd.expovariate(0.12)), len(FAMILIES) - 1)
    given = "".join(rnd.choices(GIVEN, k=rnd.choice((1, 2, 2))))
    first = rnd.choice(("Xiao", "Wei", "Jian", "Li"))
    latin = f"{FAMILY_PINYIN.split()[family]}^{first}{rnd.randrange(99)}"
    return f"{latin}={FAMILIES[family]}^{given}"


def entry(vr: str, value: object) -> dict[str, Any]:
    """Return one attribute of DICOM JSON."""
    if vr == "PN":
        alphabetic, _, ideographic = str(value).partition("=")
        groups = {"Alphabetic": alphabetic}
        return {"vr": vr, "Value": [groups | ({"Ideographic": ideographic} if ideographic else {})]}
    return {"vr": vr, "Value": [value]}


def compact(document: dict[str, Any]) -> str:
    """Return JSON as the application writes it."""
    return json.dumps(document, ensure_ascii=False)


def study_document(values: dict[str, str]) -> dict[str, Any]:
    """Return the stored attributes of a study."""
    return {
        "00080020": entry("DA", values["study_date"]),
        "00080030": entry("TM", values["study_time"]),
        "00080050": entry("SH", values["accession_number"]),
        "00080090": entry("PN", values["referring_physician"]),
        "00081030": entry("LO", values["description"]),
        "00100010": entry("PN", values["patient_name"]),
        "00100020": entry("LO", values["patient_id"]),
        "00100030": entry("DA", values["patient_birth_date"]),
        "00100040": entry("CS", values["patient_sex"]),
        "0020000D": entry("UI", values["study_uid"]),
        "00200010": entry("SH", values["study_number"]),
    }


class Maker:
    """Makes studies until the number of instances is reached."""

    def __init__(self, writer: Writer, org_id: UUID, space_id: UUID, wanted: int) -> None:
        self.writer, self.wanted, self.made, self.studies = writer, wanted, 0, 0
        self.org_id, self.space_id = writer.key(org_id), writer.key(space_id)
        self.rnd = random.Random(7)
        self.sample: list[dict[str, Any]] = []
        self.patients: list[tuple[Any, dict[str, str]]] = []

    def run(self) -> Iterator[int]:
        """Make everything; yields the number of instances after each batch."""
        while self.made < self.wanted:
            self.study()
            if len(self.writer.rows["instances"]) >= BATCH:
                self.writer.flush()
                yield self.made
        self.writer.flush()

    def patient(self) -> tuple[Any, dict[str, str]]:
        """Return a known patient (some come often) or a new one."""
        if self.patients and self.rnd.random() < 0.55:
            known = len(self.patients)
            return self.patients[min(int(known * self.rnd.random() ** 2), known - 1)]
        number, name = len(self.patients), person(self.rnd)
        values = {
            "patient_id": f"P{number:08d}",
            "patient_name": name,
            "patient_sex": self.rnd.choice("MF"),
            "patient_birth_date": f"{self.rnd.randrange(1930, 2020)}0{self.rnd.randrange(1, 10)}15",
        }
        ref = self.writer.id()
        self.writer.add(
            "patients",
            id=ref,
            org_id=self.org_id,
            patient_id=values["patient_id"],
            name=name,
            search=index_words(name),
            sex=values["patient_sex"],
            birth_date=values["patient_birth_date"],
        )
        self.patients.append((ref, values))
        return self.patients[-1]

    def study(self) -> None:
        """Make one study with its series and instances."""
        rnd, writer, number = self.rnd, self.writer, self.studies
        self.studies += 1
        ref, who = self.patient()
        modality = rnd.choices(MODALITIES, WEIGHTS)[0]
        day = datetime(2016, 1, 1, tzinfo=UTC) + timedelta(days=int(3650 * rnd.random() ** 0.7))
        part = rnd.choice(PARTS)
        values = {
            **who,
            "study_uid": f"{ROOT}.7.{number}",
            "accession_number": f"A{number:09d}",
            "study_date": day.strftime("%Y%m%d"),
            "study_time": f"{rnd.randrange(24):02d}{rnd.randrange(60):02d}00",
            "description": f"{modality} {part} {'平扫' if rnd.random() < 0.5 else 'routine'}",
            "study_number": str(number),
            "referring_physician": person(rnd),
        }
        big = modality in ("CT", "MR", "PT")
        sizes = [
            max(1, min(int(rnd.lognormvariate(3.6 if big else 0.5, 0.9)), 1500))
            for _ in range(1 + min(int(rnd.expovariate(0.5)), 9))
        ]
        study_id, document = writer.id(), study_document(values)
        writer.add(
            "studies",
            id=study_id,
            org_id=self.org_id,
            patient_ref=ref,
            **values,
            patient_search=index_words(values["patient_name"]),
            modalities=f"\\{modality}\\",
            series_count=len(sizes),
            instance_count=sum(sizes),
            dicom_json=compact(document),
        )
        writer.add(
            "study_spaces",
            id=writer.id(),
            org_id=self.org_id,
            study_id=study_id,
            space_id=self.space_id,
            state="complete",
        )
        uids = [self.series(study_id, values, modality, part, n, s) for n, s in enumerate(sizes)]
        if rnd.random() < 2000 / max(1, self.wanted / 100) or len(self.sample) < 50:
            self.sample.append({**values, "modality": modality, "series": uids})

    def series(
        self, study_id: Any, study: dict[str, str], modality: str, part: str, number: int, size: int
    ) -> str:
        """Make one series and its instances; returns its UID."""
        writer, series_id, uid = self.writer, self.writer.id(), f"{study['study_uid']}.{number + 1}"
        document = {
            "00080060": entry("CS", modality),
            "0008103E": entry("LO", f"{part} {number}"),
            "00180015": entry("CS", part),
            "0020000E": entry("UI", uid),
            "00200011": entry("IS", number + 1),
        }
        writer.add(
            "series",
            id=series_id,
            org_id=self.org_id,
            study_id=study_id,
            series_uid=uid,
            modality=modality,
            number=number + 1,
            description=f"{part} {number}",
            body_part=part,
            instance_count=size,
            dicom_json=compact(document),
        )
        shared = {"00080016": entry("UI", "1.2.840.10008.5.1.4.1.1.2"), **document}
        head = compact({t: v for t, v in shared.items() if t in INSTANCE_TAGS})[:-1]
        for place in range(1, size + 1):
            sop = f"{uid}.{place}"
            own = f', "00080018": {{"vr": "UI", "Value": ["{sop}"]}}, "00200013": {{"vr": "IS", '
            own += f'"Value": [{place}]}}, "00280010": {{"vr": "US", "Value": [512]}}}}'
            writer.add(
                "instances",
                id=writer.id(),
                org_id=self.org_id,
                study_id=study_id,
                series_id=series_id,
                sop_uid=sop,
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                transfer_syntax="1.2.840.10008.1.2.1",
                instance_number=place,
                number_of_frames=1,
                rows=512,
                columns=512,
                dicom_json=head + own,
                store="none",
                object_key="none",
                length=525_000,
                sha256=f"{self.made:064x}",
                current=True,
            )
            self.made += 1
        return uid


async def default_space(core: CoreSettings, org_id: UUID) -> UUID:
    """Return the id of the organisation's default space."""
    async with open_process(core, ()) as db, db.reading() as session:
        return (await spaces.get(session, Actor.system(org_id), "default")).id


def settings_for(folder: Path) -> CoreSettings:
    """Point the settings into a folder."""
    os.environ.update(
        HV_DATA_DIR=str(folder / "data"),
        HV_MASTER_KEY_FILE=str(folder / "keys" / "master.key"),
        HV_AUDIT_ANCHOR_DIR=str(folder / "anchor"),
    )
    return CoreSettings()


def main() -> None:
    """Make the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=1_000_000)
    options = parser.parse_args()
    core, begun = settings_for(options.folder), time.monotonic()
    schema.upgrade(core.resolved_database_url())
    people = asyncio.run(accounts.demo_people(core))
    space_id = asyncio.run(default_space(core, people.org_id))
    writer = Writer(core.resolved_database_url())
    maker = Maker(writer, people.org_id, space_id, options.instances)
    told = 0
    for made in maker.run():
        if made - told >= 500_000:
            told = made
            print(f"{made} instances, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    writer.close()
    maker.rnd.shuffle(maker.sample)
    kept = {"key": people.admin_key, "studies": maker.studies, "instances": maker.made}
    text = json.dumps({**kept, "sample": maker.sample[:2000]}, ensure_ascii=False)
    (options.folder / "index.json").write_text(text)
    print(json.dumps({**kept, "key": "", "seconds": round(time.monotonic() - begun, 1)}))


if __name__ == "__main__":
    main()
