# SPDX-License-Identifier: Apache-2.0
"""Measure the doors of a running platform: STOW, QIDO, WADO, metadata, a large zip, STAT.

Run: ``python scripts/bench_platform.py [--images N] [--zip-images N] [--stat]``. It starts its own
platform (SQLite, local folder, one process, loopback) in a temporary folder with an API key of
tier 'service', measures, and stops it. Writes one JSON line per measurement; times are in
milliseconds unless named otherwise. ``load``: the machine's 1-minute load before the measurement.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from healthvision.app import accounts, schema
from healthvision.app.demo.receiver import Receiver, receiving
from healthvision.app.demo.server import free_port
from healthvision.client import ApiKey, Client
from healthvision.clinical.phantoms.chest import ChestConfig, phantom
from healthvision.clinical.volume import axial
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.settings import CoreSettings

REPEATS = 100
OCTETS = 'multipart/related; type="application/octet-stream"'


@dataclass(frozen=True, slots=True)
class Running:
    """The platform under measurement."""

    url: str
    key: str
    process: "subprocess.Popen[bytes]"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that sign in."""
        return {"Authorization": f"Bearer {self.key}"}


def tell(name: str, **values: object) -> None:
    """Write one measurement."""
    line = {"measured": name, **values, "load": round(os.getloadavg()[0], 1)}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    """Start a platform of one process and stop it at the end."""
    port = free_port(0)
    os.environ.update(
        HV_DATA_DIR=str(folder / "data"),
        HV_MASTER_KEY_FILE=str(folder / "keys" / "master.key"),
        HV_AUDIT_ANCHOR_DIR=str(folder / "anchor"),
        HV_PORT=str(port),
        HV_NOTIFY_PRIVATE_ALLOW="127.0.0.1",
    )
    schema.upgrade(CoreSettings().resolved_database_url())
    people = asyncio.run(accounts.demo_people(CoreSettings()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthvision", "run", "all"], stdout=log, stderr=log
        )
    try:
        wait(lambda: ready(port), 90)
        yield Running(f"http://127.0.0.1:{port}", people.admin_key, process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def ready(port: int) -> bool:
    """Say whether the API answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def wait(probe: Callable[[], bool], seconds: float) -> None:
    """Ask until it holds; raises TimeoutError."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise TimeoutError("the platform did not get there in time")
        time.sleep(0.05)


def peak_mb(process: "subprocess.Popen[bytes]") -> int:
    """Return the peak resident memory of a process so far."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


def images(count: int, size: int, patient: str) -> list[bytes]:
    """Return CT slices of ``size`` x ``size`` with noise, which no compressor shrinks much."""
    rng = np.random.default_rng(count)
    voxels = rng.integers(-1000, 400, (count, size, size), dtype=np.int16)
    meta = SeriesMeta(patient_id=patient, modality="CT", body_part="LEG")
    packed = from_volume(axial(voxels, (1.0, 0.7, 0.7)))
    return list(to_dicom_series(packed, meta, uid_salt="bench"))


def latencies(ask: Callable[[], object]) -> dict[str, float]:
    """Return median and 95th percentile in ms of one request after another."""
    for _ in range(3):
        ask()
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - begun))
    ordered = sorted(taken)
    return {
        "median_ms": round(statistics.median(taken), 1),
        "p95_ms": round(ordered[int(0.95 * len(ordered))], 1),
    }


def measure_doors(platform: Running, count: int) -> None:
    """Measure STOW of ``count`` slices of 512 x 512, then QIDO, metadata and frames."""
    files = images(count, 512, "BENCH-STOW")
    size = sum(len(f) for f in files)
    with Client(platform.url, ApiKey(platform.key), timeout_s=600) as client:
        begun = time.perf_counter()
        answer = client.stow(files)
        seconds = time.perf_counter() - begun
        assert answer.refused == []
        place = answer.stored[count // 2].url.removeprefix(platform.url)
        again = time.perf_counter()
        client.stow(files)
        repeated = time.perf_counter() - again
    tell(
        "STOW-RS",
        images=count,
        images_per_s=round(count / seconds),
        megabytes_per_s=round(size / seconds / 1e6),
        repeated_images_per_s=round(count / repeated),
        peak_memory_mb=peak_mb(platform.process),
    )
    study = place.split("/series/")[0]
    with httpx.Client(base_url=platform.url, headers=platform.headers, timeout=60) as http:

        def get(path: str, accept: str = "application/dicom+json") -> Callable[[], object]:
            return lambda: http.get(path, headers={"Accept": accept}).raise_for_status().content

        base = study.rsplit("/", 1)[0]
        tell("QIDO-RS studies by patient", **latencies(get(f"{base}?PatientID=BENCH-STOW")))
        tell("QIDO-RS instances, page of 100", **latencies(get(f"{study}/instances?limit=100")))
        tell("WADO-RS metadata, 1 instance", **latencies(get(f"{place}/metadata")))
        tell(f"WADO-RS metadata, {count} instances", **latencies(get(f"{study}/metadata")))
        tell("WADO-RS frame 512 x 512", **latencies(get(f"{place}/frames/1", OCTETS)))
        tell("WADO-RS rendered PNG", **latencies(get(f"{place}/rendered", "image/png")))


def measure_zip(platform: Running, count: int, folder: Path) -> None:
    """Measure the presigned upload of a zip of ``count`` slices of 512 x 512."""
    path = folder / "large.zip"
    step = 200
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for start in range(0, count, step):
            for number, data in enumerate(images(min(step, count - start), 512, f"ZIP-{start}")):
                archive.writestr(f"{start + number:05d}.dcm", data)
    with Client(platform.url, ApiKey(platform.key), timeout_s=600) as client:
        sent: list[float] = []

        def progress(done: int, total: int) -> None:
            if done == total:
                sent.append(time.perf_counter())

        begun = time.perf_counter()
        done = client.upload(path, content_type="application/zip", progress=progress)
        seconds = time.perf_counter() - begun
    assert done.stored == count, (done.stored, done.failed, done.skipped)
    tell(
        "presigned zip",
        images=count,
        gigabytes=round(path.stat().st_size / 1e9, 2),
        sending_s=round(sent[-1] - begun, 1),
        all_s=round(seconds, 1),
        images_per_s=round(count / seconds),
        peak_memory_mb=peak_mb(platform.process),
    )
    path.unlink()


def chest(seed: int, config: ChestConfig, priority: str) -> list[bytes]:
    """Return the slices of a chest phantom."""
    meta = SeriesMeta(
        patient_id=f"BENCH-{seed}", modality="CT", body_part="CHEST", priority=priority
    )
    return list(to_dicom_series(from_volume(phantom(seed, config).volume), meta, uid_salt="b"))


def arrived(hook: Receiver, study: str) -> bool:
    """Say whether the message about a study's result came."""
    return any(a.document["data"]["study_id"] == study for a in hook.arrivals)


def measure_stat(platform: Running) -> None:
    """Measure STAT from the last instance acknowledged to the webhook, a routine task running.

    Once with the quiet wait of the space (5 s), once closed by its sender.
    """
    large = ChestConfig(shape=(300, 512, 512), spacing=(1.1, 0.7, 0.7))
    routine = [chest(60 + n, large, "") for n in range(2)]
    urgent = [chest(70 + n, ChestConfig(), "STAT") for n in range(2)]
    with receiving() as hook, Client(platform.url, ApiKey(platform.key), timeout_s=600) as client:
        hook.secret = client.add_webhook(hook.url, ["analysis.result_ready.v1"]).secret or ""
        for close, slow, fast in zip((False, True), routine, urgent, strict=True):
            uid = client.stow(slow).stored[0].url.split("/studies/")[1].split("/")[0]
            other = client.find_study(uid)
            assert other is not None
            client.close_study(other.id)
            wait(lambda: bool(client.tasks(state="running").items), 60)
            answer = client.stow(fast)
            acknowledged = time.perf_counter()
            uid = answer.stored[0].url.split("/studies/")[1].split("/")[0]
            study = client.find_study(uid)
            assert study is not None
            if close:
                client.close_study(study.id)
            wanted = str(study.id)
            wait(partial(arrived, hook, wanted), 180)
            tell(
                "STAT, last instance acknowledged to webhook, routine 512x512x300 running",
                closed_by_sender=close,
                slices=len(fast),
                seconds=round(time.perf_counter() - acknowledged, 1),
            )
            wait(lambda: not client.tasks(state="running").items, 300)


def main() -> None:
    """Measure what the arguments ask for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=300)
    arguments.add_argument("--zip-images", type=int, default=0)
    arguments.add_argument("--stat", action="store_true")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, started(Path(name)) as platform:
        if asked.images:
            measure_doors(platform, asked.images)
        if asked.zip_images:
            measure_zip(platform, asked.zip_images, Path(name))
        if asked.stat:
            measure_stat(platform)


if __name__ == "__main__":
    main()
