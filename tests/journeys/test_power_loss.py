# SPDX-License-Identifier: Apache-2.0
"""A power cut at any moment: what was acknowledged is there, byte for byte, and the rest is whole.

A kill leaves the page cache, so it cannot show a missing fsync. Here all writes of a running
platform are recorded; the disk is then made as a cut at some place of the record would leave it.
"""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pydicom
import pytest

from healthvision.app import accounts
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.client import ApiKey, Client
from healthvision.domains.archive import service as archive
from healthvision.domains.audit import service as audit
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.kernel.settings import CoreSettings
from tests.journeys.chests import chest_slices
from tests.support.platform import Platform, Process, platform
from tests.support.postgres import free_port
from tests.support.power.disk import PAGE, Disk, File, restore
from tests.support.power.recording import recorder
from tests.support.small_ct import small_ct
from tests.support.stores import open_association

SEED = 20261123
CUTS = int(os.environ.get("HV_TEST_POWER_CUTS", "6"))
SENDERS = 2
SENT = 3  # studies a sender stores
PIECE = 8
SECONDS = 120.0
SLICES = 40  # of the study sent by C-STORE
CALLED = "HV_POWER"

_WRITER = """
import os, sys
root = sys.argv[1]
def file(name, *parts, sync):
    handle = os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT)
    for part in parts: os.write(handle, part)
    if sync: os.fdatasync(handle)
    os.close(handle)
def folder():
    handle = os.open(root, os.O_RDONLY); os.fsync(handle); os.close(handle)
file("synced", b"a" * 5000, sync=True); file("unsynced", b"b" * 50000, sync=False)
file("temporary", b"new", sync=True); folder()
os.rename(f"{root}/temporary", f"{root}/name")
file("nameless", b"c", sync=True)
handle = os.open(f"{root}/synced", os.O_WRONLY); os.pwrite(handle, b"z" * 4096, 0); os.close(handle)
"""


class TestDisk:
    def test_only_what_was_synced_outlives_a_cut(self, tmp_path: Path) -> None:
        root = tmp_path / "disk"
        root.mkdir()
        environment, log = recorder(root, tmp_path)
        disk = Disk(root)
        command = [sys.executable, "-c", _WRITER, str(root)]
        subprocess.run(command, env={**os.environ, **environment}, check=True)
        record = log.read_bytes()
        disk.replay(record, len(record))
        left = _files(disk, root, random.Random(1), lost=True)
        assert left == {"synced": b"a" * 5000, "unsynced": b"", "temporary": b"new"}
        seen = set()
        for seed in range(40):
            left = _files(disk, root, random.Random(seed), lost=False)
            assert left["synced"] in (b"a" * 5000, b"z" * PAGE + b"a" * (5000 - PAGE))
            assert ("temporary" in left) != ("name" in left)
            seen |= {("name" in left, "nameless" in left), (left["unsynced"] == b"b" * 50000,)}
        assert {(False, False), (True, False), (True, True), (False,)} <= seen
        assert (False, True) not in seen  # names keep their order


def _files(disk: Disk, root: Path, dice: random.Random, *, lost: bool) -> dict[str, bytes]:
    left = disk.cut(dice, lost=lost)
    return {Path(p).name: bytes(f.durable) for p, f in left.items() if isinstance(f, File)}


@dataclass
class Told:
    """What clients were told, and how long the record was when they heard it."""

    log: Path
    url: str
    key: str
    dicom_port: int
    stored: list[tuple[int, str, bytes]] = field(default_factory=list)
    modality: list[tuple[int, str, bytes]] = field(default_factory=list)  # data sets, by C-STORE
    teams: list[tuple[int, str]] = field(default_factory=list)
    deleted: list[tuple[int, int, str]] = field(default_factory=list)  # asked at, heard at, path
    troubles: list[BaseException] = field(default_factory=list)

    def at(self) -> int:
        """Return the present length of the record."""
        return self.log.stat().st_size

    def send(self, number: int) -> None:
        """Store studies piece by piece, make a team after each; delete the second one."""
        try:
            with Client(self.url, ApiKey(self.key)) as client:
                for study in range(SENT):
                    self._study(client, f"power-{number}-{study}")
        except BaseException as error:
            self.troubles.append(error)

    def send_by_c_store(self) -> None:
        """Send a study object by object over one association: answered before its rows are there.

        Nothing else is asked and nothing released before the last answer.
        """
        try:
            with self.calls() as calls:
                title = {"title": CALLED, "space": "default", "anybody": True}
                calls.post("/v1/called-aes", json=title).raise_for_status()
            files = small_ct("power-dicom", slices=SLICES)
            sender = open_association(self.dicom_port, CALLED, "MODALITY")
            for file in files:
                head = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
                assert sender.send(str(head.SOPInstanceUID), file) == dimse.SUCCESS
                path = (
                    f"/dicomweb/default/studies/{head.StudyInstanceUID}/series/"
                    f"{head.SeriesInstanceUID}/instances/{head.SOPInstanceUID}"
                )
                self.modality.append((self.at(), path, file[data_set_start(file) :]))
            sender.association.release()
            sender.association.wire.close()
        except BaseException as error:
            self.troubles.append(error)

    def _study(self, client: Client, name: str) -> None:
        files = chest_slices(7, name) if name == "power-0-0" else small_ct(name, slices=16)
        for first in range(0, len(files), PIECE):
            piece = files[first : first + PIECE]
            answer = client.stow(piece)
            assert answer.refused == []
            at = self.at()
            paths = [urlsplit(s.url).path for s in answer.stored]
            self.stored += [(at, p, f) for p, f in zip(paths, piece, strict=True)]
        with self.calls() as calls:
            team = calls.post("/v1/teams", json={"name": name})
            assert team.status_code == 201, team.text
            self.teams.append((self.at(), team.json()["id"]))
            if name.endswith("-1"):
                path, asked = paths[0].partition("/series/")[0], self.at()
                answered = calls.delete(path)
                assert answered.status_code == 204, answered.text
                self.deleted.append((asked, self.at(), path))

    def calls(self) -> httpx.Client:
        """Return a client with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def idle(self) -> bool:
        """Tell whether every task is over and there is one for each chest."""
        with self.calls() as calls:
            tasks = calls.get("/v1/tasks").json()["items"]
        return bool(tasks) and all(t["finished_at"] for t in tasks)

    def missing(self, cut: int) -> list[str]:
        """Return what was acknowledged before the cut and is not as it was told."""
        wrong = []
        asked = [path for at, _, path in self.deleted if at <= cut]
        with self.calls() as calls:
            calls.headers["Accept"] = "application/dicom"
            for at, path, sent in self.stored:
                maybe_gone = any(path.startswith(p + "/") for p in asked)
                if at <= cut and not maybe_gone and calls.get(path).content != sent:
                    wrong.append(path)
            for at, path, sent in self.modality:
                if at <= cut and not calls.get(path).content.endswith(sent):
                    wrong.append(path)
            calls.headers["Accept"] = "application/json"
            gone = [path for _, at, path in self.deleted if at <= cut]
            for path in gone:
                answer = calls.get(path + "/metadata")
                if answer.status_code != 404:
                    wrong.append(f"{path}: {answer.status_code}")
            teams = [team for at, team in self.teams if at <= cut]
            wrong += [t for t in teams if calls.get(f"/v1/teams/{t}").status_code != 200]
        return wrong


def _record(running: Platform, told: Told, process: Process) -> bytes:
    process.wait_ready(120)
    senders = [threading.Thread(target=told.send, args=(n,)) for n in range(SENDERS)]
    senders.append(threading.Thread(target=told.send_by_c_store))
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not told.troubles, (told.troubles, running.logs())
    end = time.monotonic() + SECONDS
    while not told.idle():
        assert time.monotonic() < end, running.logs()
        time.sleep(0.5)
    assert told.missing(told.at()) == []
    process.kill()
    return told.log.read_bytes()


def _places(told: Told, record: bytes, dice: random.Random) -> list[int]:
    """Return where to cut: half of them right after an answer, half anywhere after the first."""
    answers = [at for at, *_ in (*told.stored, *told.modality)] + [at for at, _ in told.teams]
    exact = dice.sample(sorted(set(answers)), min(CUTS // 2, len(set(answers))))
    return sorted(
        exact + [dice.randrange(min(answers), len(record)) for _ in range(CUTS - len(exact))]
    )


async def _damage() -> list[tuple[str, str]]:
    """Return what the archive's and the log's own check find, every byte read."""
    found = archive.Verified()
    async with open_process(CoreSettings(), MODULES, make_key=False) as db:
        async for _ in archive.verify(db, found, full=True):
            pass
        report = await audit.verify(db)
    return found.wrong + ([] if report.ok else [("audit", report.message)])


@pytest.mark.long
@pytest.mark.timeout(300 + 100 * CUTS)
class TestPlatform:
    def test_what_was_acknowledged_outlives_a_power_cut(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tmp_path / "disk"
        dice = random.Random(SEED)
        dicom_port = free_port()
        more_settings = {"HV_WORKER_STALE_S": "4", "HV_DIMSE_PORT": str(dicom_port)}
        with platform(root, **more_settings) as running:
            for name, value in running.environment.items():
                monkeypatch.setenv(name, value)
            key = asyncio.run(accounts.demo_people(CoreSettings())).admin_key
            disk = Disk(root)
            more, log = recorder(root, tmp_path)
            port = free_port()
            told = Told(log, f"http://127.0.0.1:{port}", key, dicom_port)
            plain = dict(running.environment)
            running.environment.update(more)
            record = _record(running, told, running.add_at("all", port))
            running.environment = plain
            for number, cut in enumerate(_places(told, record, dice)):
                disk.replay(record, cut)
                restore(disk.cut(dice, lost=number % 2 == 0), root)
                process = running.add_at("all", port)
                process.wait_ready(120)
                assert told.missing(cut) == [], (cut, running.logs())
                process.stop()
                assert asyncio.run(_damage()) == [], cut
