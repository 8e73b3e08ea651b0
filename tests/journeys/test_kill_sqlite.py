# SPDX-License-Identifier: Apache-2.0
"""One SQLite file, ``healthvision run all`` under ten kill -9: what was acknowledged is kept."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from healthvision.app import accounts
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.client import ApiError, ApiKey, Client, ConnectionFailed
from healthvision.clinical.phantoms.chest import SMALL, phantom
from healthvision.domains.audit import service as audit
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import Platform, Process, platform

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
T = TypeVar("T")
KILLS = 10
STUDIES = 3
SEED = 20261122
SECONDS = 230.0
_OUTPUTS = (
    "1.2.840.10008.5.1.4.1.1.66.7",
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.104.1",
)


@dataclass
class Clinic:
    """One process that is everything, and what its client was told."""

    platform: Platform
    process: Process
    key: str
    database: Path
    end: float
    acknowledged: list[tuple[str, bytes]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def call(self, work: Callable[[Client], T]) -> T:
        """Repeat work until the process answers."""
        while True:
            try:
                with Client(f"http://127.0.0.1:{self.process.port}", ApiKey(self.key)) as client:
                    return work(client)
            except (ApiError, ConnectionFailed, httpx.HTTPError) as error:
                if time.monotonic() > self.end:
                    raise AssertionError(f"{error}\n{self.platform.logs()}") from error
                time.sleep(0.3)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Read the database file beside the running process."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    with platform(tmp_path, HV_WORKER_STALE_S="4") as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        key = asyncio.run(accounts.demo_people(CoreSettings())).admin_key
        process = running.add("all")
        process.wait_ready()
        database = tmp_path / "data" / "healthvision.db"
        yield Clinic(running, process, key, database, time.monotonic() + SECONDS)


def _send(clinic: Clinic) -> None:
    for number in range(STUDIES):
        volume = phantom(900 + number, SMALL).volume
        meta = SeriesMeta(patient_id=f"KILL-{number}", modality="CT", body_part="CHEST")
        slices = list(to_dicom_series(from_volume(volume), meta, uid_salt="kill-sqlite"))
        for start in range(0, len(slices), 20):  # every piece is acknowledged by itself
            piece = slices[start : start + 20]
            answer = clinic.call(lambda c, p=piece: c.stow(p))  # type: ignore[misc]
            assert answer.refused == []
            uids = [stored.sop_uid for stored in answer.stored]
            clinic.acknowledged += zip(uids, piece, strict=True)
        listed = clinic.call(lambda c: c.studies().items)
        clinic.seen.append(str(len(listed)))


def _kill_often(clinic: Clinic, dice: random.Random) -> None:
    for _ in range(KILLS):
        time.sleep(dice.uniform(1.5, 5.0))
        clinic.process.kill()
        clinic.process.start()


def _wait_for_results(clinic: Clinic) -> None:
    """Wait for one current result per study of all its slices, and for an idle queue."""
    states = "select distinct state from analysis_tasks"
    current = (
        "select count(*) from analysis_results where published and superseded_by is null "
        "group by study_id"
    )
    open_spaces = "select count(*) from study_spaces where state = 'receiving'"
    while (
        clinic.rows(states) != [("done",)]
        or clinic.rows(current) != [(1,)] * STUDIES
        or clinic.rows(open_spaces) != [(0,)]
    ):
        assert time.monotonic() < clinic.end, f"{clinic.rows(states)}\n{clinic.platform.logs()}"
        time.sleep(1)


async def _verified(core: CoreSettings) -> tuple[bool, str]:
    async with open_process(core, MODULES) as db:
        await audit.seal(db)
        report = await audit.verify(db)
    return report.ok, report.message


class TestKillsOnSqlite:
    def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(self, clinic: Clinic) -> None:
        sender = threading.Thread(target=_send, args=(clinic,))
        sender.start()
        _kill_often(clinic, random.Random(SEED))
        sender.join(timeout=SECONDS)
        assert len(clinic.seen) == STUDIES, clinic.platform.logs()
        _wait_for_results(clinic)
        self._every_byte_is_there(clinic)
        self._one_of_everything(clinic)
        clinic.process.stop()
        ok, message = asyncio.run(_verified(CoreSettings()))
        assert ok, message

    def _every_byte_is_there(self, clinic: Clinic) -> None:
        places = {
            str(sop): (str(study), str(series))
            for sop, study, series in clinic.rows(
                "select i.sop_uid, t.study_uid, s.series_uid from instances i "
                "join series s on s.id = i.series_id join studies t on t.id = i.study_id"
            )
        }
        headers = {"Authorization": f"Bearer {clinic.key}", "Accept": "application/dicom"}
        base = f"http://127.0.0.1:{clinic.process.port}/dicomweb/default"
        with httpx.Client(headers=headers, timeout=30) as client:
            for sop, sent in clinic.acknowledged:
                study, series = places[sop]
                url = f"{base}/studies/{study}/series/{series}/instances/{sop}"
                assert client.get(url).content == sent, sop

    def _one_of_everything(self, clinic: Clinic) -> None:
        """A kill between two pieces may complete a study early: then the rest is a second task."""
        ((tasks,),) = clinic.rows("select count(*) from analysis_tasks")
        assert isinstance(tasks, int) and tasks >= STUDIES
        per_task = clinic.rows("select count(*) from analysis_results group by task_id")
        assert per_task == [(1,)] * tasks
        names = ",".join(f"'{uid}'" for uid in _OUTPUTS)
        outputs = clinic.rows(
            "select count(*) from instances where origin like 'healthvision%' "
            f"and sop_class_uid in ({names}) group by sop_class_uid"
        )
        assert outputs == [(tasks,)] * 3
        events = clinic.rows(
            "select count(*) from events where topic = 'analysis.result_ready.v1' group by subject"
        )
        assert events == [(1,)] * tasks
        copies = clinic.rows("select count(*) from instances group by study_id, sop_uid")
        assert set(copies) == {(1,)}
