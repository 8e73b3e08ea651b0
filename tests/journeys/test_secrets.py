# SPDX-License-Identifier: Apache-2.0
"""A planted name and pixel run is in no stored object, spool, export, log or event.

The database itself holds names: its volume (PostgreSQL) or its file system (SQLite) protects it,
see docs/security.md.
"""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from healthvision.client import ApiKey, Client
from healthvision.client.models import UploadMeta
from tests.factories.dicom import ct_series
from tests.journeys.chests import chest_slices, opened, stored, task_of, write_zip
from tests.journeys.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NAME = "Zzyzxwald^Kunigunde"
PIECES = ("Zzyzxwald", "Kunigunde")
MARK = bytes(range(7, 250, 3))  # 81 bytes that no header and no compressor makes
SQLITE = (".db", ".db-wal", ".db-shm", ".sqlite", ".sqlite-wal", ".sqlite-shm")


def marked(objects: list[bytes]) -> list[bytes]:
    """Plant the pixel run into the pixel data of each object."""
    return [data[: -len(MARK) - 20] + MARK + data[-20:] for data in objects]


def needles() -> list[bytes]:
    """Return what may not be found: the name in the encodings of files, and the pixel run."""
    found = [MARK]
    for piece in PIECES:
        found += [piece.encode(), piece.upper().encode(), piece.encode("utf-16-le")]
    return found


def leaks(folder: Path) -> Iterator[str]:
    """Yield 'file: needle' for each needle in a file that is no database."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.endswith(SQLITE):
            continue
        data = path.read_bytes()
        for needle in needles():
            if needle in data:
                yield f"{path.relative_to(folder)}: {needle[:12]!r}"


class Watch(threading.Thread):
    """Looks for leaks all the time, since spool files live shortly."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.found, self.over = folder, set[str](), threading.Event()
        self.rounds = 0

    def run(self) -> None:
        """Scan until told to stop; a file may vanish while it is read."""
        while not self.over.wait(0.5):
            self.rounds += 1
            try:
                self.found |= set(leaks(self.folder))
            except FileNotFoundError:
                continue


def database(world: World) -> Path:
    """Return the SQLite file."""
    folder = Path(world.platform.environment["HV_DATA_DIR"])
    return next(p for p in folder.rglob("*") if p.name.endswith((".db", ".sqlite")))


def bring_in(world: World, client: Client, folder: Path) -> None:
    """Send the name and the pixels through every door, one broken, and have one analysed."""
    plain = marked(ct_series(3, PatientName=NAME, PatientID="SECRET-1", Modality="OT"))
    client.stow(plain)
    archive = write_zip(folder / f"{PIECES[0]}.zip", marked(ct_series(3, PatientName=NAME)))
    client.upload(archive)
    picture = folder / "film.tiff"
    pixels = np.zeros((40, 81), np.uint8)
    pixels[7] = np.frombuffer(MARK, np.uint8)
    Image.fromarray(pixels).save(picture)
    assert MARK in picture.read_bytes()
    client.upload(picture, meta=UploadMeta(patient_id="SECRET-2", patient_name=NAME))
    broken = marked(ct_series(1, PatientName=NAME, BitsAllocated=12))
    client.stow(broken)
    study = stored(client, chest_slices(871, "SECRET-3", patient_name=NAME))
    client.close_study(study)
    task = task_of(world, client, study)
    client.export_result(task.result_id or "", folder / "report.pdf")
    found = httpx.get(
        f"{world.url}/v1/studies/{study}/export", headers=world.admin.headers, timeout=60
    )
    assert found.status_code == 200
    assert client.studies(patient_id="SECRET-3").items[0].patient_name == NAME


class TestSecrets:
    def test_nothing_outside_the_database_shows_the_planted_name_or_pixels(
        self, world: World, tmp_path: Path
    ) -> None:
        assert any(needle in marked(ct_series(1))[0] for needle in needles())  # the scan can find
        watch = Watch(world.platform.folder)
        watch.start()
        with opened(world) as client:
            bring_in(world, client, tmp_path)
        watch.over.set()
        watch.join()
        assert watch.rounds >= 3
        assert watch.found == set()
        files = [p for p in world.platform.folder.rglob("*") if p.is_file()]
        assert len(files) > 20  # there were stored objects to look at
        assert any(p.name.endswith(".log") for p in files)
        assert list(leaks(world.platform.folder)) == []

    def test_events_deliveries_and_audit_rows_carry_no_name(
        self, world: World, tmp_path: Path
    ) -> None:
        with Client(world.url, ApiKey(world.admin.key)) as client:
            client.stow(ct_series(2, PatientName=NAME, PatientID="SECRET-4", Modality="OT"))
            assert client.studies(patient_id="SECRET-4").items
        with sqlite3.connect(f"file:{database(world)}?mode=ro", uri=True) as connection:
            tables = [
                str(row[0])
                for row in connection.execute("select name from sqlite_master where type='table'")
            ]
            told = [
                t
                for t in tables
                if t.startswith(("event", "audit", "inbox", "subscription", "deliver"))
            ]
            told += [t for t in tables if "deliver" in t or "job" in t or "workflow" in t]
            there = {"events", "event_deliveries", "deliveries", "inbox_notifications"}
            assert {*there, "audit_events", "audit_state"} <= set(told)
            for table in told:
                for row in connection.execute(f'select * from "{table}"'):
                    text = repr(row)
                    assert not any(piece in text for piece in PIECES), table
        connection.close()
