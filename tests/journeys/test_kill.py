# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL + S3, two API and two workers under 20 random kill -9: nothing lost or doubled."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from healthvision.app import accounts
from healthvision.client import ApiError, ApiKey, Client, ConnectionFailed
from healthvision.clinical.phantoms.chest import SMALL, phantom
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import Platform, Process, platform
from tests.support.postgres import PostgresServer, postgres, postgres_bin
from tests.support.s3 import s3_server
from tests.support.services import missing_service

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]
KILLS = int(os.environ.get("HV_TEST_KILLS", "20"))
STUDIES = 4
SEED = int(os.environ.get("HV_TEST_SEED", "20261121"))
QUIET_S = 20  # longer than both APIs are ever away together: a sender that repeats adds no study
PAUSE_S = 8.0  # between studies, so that kills meet senders


@dataclass
class Hospital:
    platform: Platform
    database: PostgresServer
    apis: list[Process]
    workers: list[Process]
    key: str

    def call(self, work: Callable[[Client], object], seconds: float = 180) -> object:
        """Run work against one API after the other until one answers."""
        end, number = time.monotonic() + seconds, 0
        while True:
            number += 1
            url = f"http://127.0.0.1:{self.apis[number % 2].port}"
            try:
                with Client(url, ApiKey(self.key), timeout_s=60) as client:
                    return work(client)
            except (ApiError, ConnectionFailed) as error:
                if time.monotonic() > end:
                    raise AssertionError(f"{error}\n{self.platform.logs()}") from error
                time.sleep(0.5)


@contextmanager
def _settings(environment: dict[str, str]) -> Iterator[None]:
    before = {k: os.environ.get(k) for k in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    binaries = postgres_bin()
    if binaries is None:
        missing_service("postgresql")
    with (
        s3_server() as store,
        postgres(binaries, fsync=True) as database,
        platform(
            tmp_path, HV_DATABASE_URL=database.url, HV_WORKER_STALE_S="5", **store.settings()
        ) as running,
    ):
        key = _first_key(running.environment)
        apis = [running.add("api") for _ in range(2)]
        workers = [running.add("worker") for _ in range(2)]
        for api in apis:
            api.wait_ready()
        _be_patient(apis[0], key)
        yield Hospital(running, database, apis, workers, key)


def _first_key(environment: dict[str, str]) -> str:
    import asyncio  # noqa: PLC0415

    with _settings(environment):
        return asyncio.run(accounts.demo_people(CoreSettings())).admin_key


def _be_patient(api: Process, key: str) -> None:
    url = f"http://127.0.0.1:{api.port}/v1/spaces/default"
    answer = httpx.patch(url, json={"quiet_s": QUIET_S}, headers={"X-API-Key": key}, timeout=60)
    assert answer.status_code == 200, answer.text


def _slices(number: int) -> list[bytes]:
    volume = phantom(700 + number, SMALL).volume
    meta = SeriesMeta(patient_id=f"KILL-{number}", modality="CT", body_part="CHEST")
    return list(to_dicom_series(from_volume(volume), meta, uid_salt="kill"))


def _kill_one(hospital: Hospital, dice: random.Random) -> str:
    what = dice.choice(["api0", "api1", "worker0", "worker1", "database"])
    if what == "database":
        hospital.database.kill()
        hospital.database.start()
        return what
    processes = hospital.apis if what.startswith("api") else hospital.workers
    process = processes[int(what[-1])]
    process.kill()
    time.sleep(dice.uniform(0, 1))
    process.start()
    return what


def _rows(hospital: Hospital, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(hospital.database.url) as connection:
        return connection.execute(sql.encode()).fetchall()


class TestKills:
    def test_one_result_one_set_of_outputs_and_one_event_per_task(self, hospital: Hospital) -> None:
        dice, killed = random.Random(SEED), []
        sent: list[str] = []

        def send() -> None:
            for number in range(STUDIES):
                slices = _slices(number)
                answer = hospital.call(lambda c, s=slices: c.stow(s))  # type: ignore[misc]
                assert answer.refused == []  # type: ignore[attr-defined]
                sent.append(answer.stored[0].sop_uid)  # type: ignore[attr-defined]
                time.sleep(PAUSE_S)

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(KILLS):
            time.sleep(dice.uniform(1.0, 4.0))
            killed.append(_kill_one(hospital, dice))
        sender.join(timeout=300)
        assert len(sent) == STUDIES, hospital.platform.logs()
        self._wait_for_results(hospital)
        self._check(hospital)
        assert len(killed) == KILLS

    def _wait_for_results(self, hospital: Hospital) -> None:
        end = time.monotonic() + 400
        sql = "select state, count(*) from analysis_tasks group by state"
        while time.monotonic() < end:
            if ("done", STUDIES) in _rows(hospital, sql):
                return
            time.sleep(2)
        raise AssertionError(f"{_rows(hospital, sql)}\n{hospital.platform.logs()}")

    def _check(self, hospital: Hospital) -> None:
        tasks = _rows(hospital, "select id from analysis_tasks")
        assert len(tasks) == STUDIES
        results = _rows(hospital, "select task_id, count(*) from analysis_results group by task_id")
        assert sorted(n for _, n in results) == [1] * STUDIES  # type: ignore[type-var]
        outputs = _rows(
            hospital,
            "select i.study_id, i.sop_class_uid, count(*) from instances i "
            "where i.origin like 'healthvision%' and i.sop_class_uid in ("
            "'1.2.840.10008.5.1.4.1.1.66.7','1.2.840.10008.5.1.4.1.1.88.34',"
            "'1.2.840.10008.5.1.4.1.1.104.1') group by 1, 2",
        )
        assert sorted(n for _, _, n in outputs) == [1] * (3 * STUDIES), outputs  # type: ignore[type-var]
        events = _rows(
            hospital,
            "select subject, count(*) from events where topic = 'analysis.result_ready.v1' "
            "group by subject",
        )
        assert sorted(n for _, n in events) == [1] * STUDIES  # type: ignore[type-var]
