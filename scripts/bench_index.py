# SPDX-License-Identifier: Apache-2.0
"""Measure searches over HTTP on an index made by ``make_index.py``.

Run: ``python scripts/bench_index.py --folder F [--reps N]``. Starts an API process on the loopback
address, asks the QIDO figures of the archive bench and some harder ones with values drawn from
the index, checks each answer, and prints one line per figure: p50, p95 and the slowest in ms, and
the server's CPU per request. Exit status 1 when a figure failed or its p95 is over ``--bar`` ms.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from make_index import settings_for

from healthvision.app.demo.server import free_port


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of search: makes a path; ``least`` and ``most`` matches that are right."""

    name: str
    path: Callable[[dict[str, Any]], str]
    least: int = 1
    most: int = 5000


def _month(study: dict[str, Any]) -> str:
    month = study["study_date"][:6]
    return f"StudyDate={month}01-{month}31&ModalitiesInStudy={study['modality']}&limit=50"


def _given(study: dict[str, Any]) -> str:
    return str(study["patient_name"].partition("^")[2][:5])


def _ideographic(study: dict[str, Any]) -> str:
    return quote(study["patient_name"].partition("=")[2].replace("^", "")[-2:] or "Wang")


def figures(studies: int) -> list[Figure]:
    """Return the searches; the first ten are those of the archive bench."""
    deep = max(0, studies - 30)
    return [
        Figure("study_by_uid", lambda s: "/studies?StudyInstanceUID=" + s["study_uid"], 1, 1),
        Figure("study_by_patientid", lambda s: "/studies?PatientID=" + s["patient_id"]),
        Figure("study_by_accession", lambda s: "/studies?AccessionNumber=" + s["accession_number"]),
        Figure(
            "study_name_wildcard",
            lambda s: f"/studies?PatientName={quote(s['patient_name'][:5])}*&limit=50",
        ),
        Figure("study_date_modality", lambda s: f"/studies?{_month(s)}"),
        Figure(
            "studies_page1_100",
            lambda s: (
                "/studies?limit=100&offset=0&includefield=NumberOfStudyRelatedInstances"
                "&includefield=ModalitiesInStudy"
            ),
            min(100, studies),
        ),
        Figure("studies_page_deep", lambda s: f"/studies?limit=25&offset={deep}", min(25, studies)),
        Figure(
            "series_in_study",
            lambda s: f"/studies/{s['study_uid']}/series?includefield=00201209",
        ),
        Figure(
            "instances_in_series",
            lambda s: f"/studies/{s['study_uid']}/series/{s['series'][0]}/instances",
        ),
        Figure("all_instances_limit100", lambda s: "/instances?limit=100", 100, 100),
        Figure(
            "name_infix",
            lambda s: (
                "/studies?"
                + urlencode(
                    {"PatientName": f"*{s['patient_name'].partition('^')[2][:5]}*", "limit": 50}
                )
            ),
        ),
        Figure(
            "name_chinese_infix",
            lambda s: f"/studies?PatientName=*{_ideographic(s)}*&limit=50",
            0,
        ),
        Figure(
            "name_fuzzy_chinese",
            lambda s: f"/studies?PatientName={_ideographic(s)}&fuzzymatching=true&limit=50",
        ),
        Figure(
            "name_fuzzy_two_words",
            lambda s: (
                "/studies?fuzzymatching=true&limit=50&"
                + urlencode({"PatientName": s["patient_name"].partition("=")[0].replace("^", " ")})
            ),
        ),
        Figure(
            "description_infix",
            lambda s: "/studies?limit=50&" + urlencode({"StudyDescription": "*chest 平*"}),
            0,
        ),
        Figure("nothing_matches", lambda s: "/studies?PatientName=*zzzq*", 0, 0),
        Figure("patientid_prefix", lambda s: f"/studies?PatientID={s['patient_id'][:7]}*&limit=50"),
        Figure("series_of_modality", lambda s: f"/series?Modality={s['modality']}&limit=50"),
        Figure("instance_by_uid", lambda s: f"/instances?SOPInstanceUID={s['series'][0]}.1", 1, 1),
    ]


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """Run an API process; gives its port and process id."""
    port = free_port(0)
    os.environ["HV_PORT"] = str(port)
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "healthvision", "run", "api"], stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise
                time.sleep(0.2)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    port: int, pid: int, key: str, figure: Figure, sample: list[dict[str, Any]], reps: int
) -> float:
    """Ask one figure ``reps`` times and print its line; returns its p95 in ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/dicom+json"}
    rnd, taken, count = random.Random(3), [], 0
    cpu = cpu_seconds(pid)
    for _ in range(reps):
        path = "/dicomweb/default" + figure.path(rnd.choice(sample))
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        taken.append(1000 * (time.perf_counter() - begun))
        count = len(json.loads(body)) if answer.status == 200 else -1
        if not figure.least <= count <= figure.most:
            print(f"FAIL {figure.name} HTTP {answer.status} n={count} {path} {body[:200]!r}")
            return float("inf")
    used = (cpu_seconds(pid) - cpu) / reps * 1000
    p95 = sorted(taken)[int(0.95 * len(taken))]
    print(
        f"{figure.name:24} p50 {statistics.median(taken):7.1f}  p95 {p95:7.1f}  "
        f"max {max(taken):7.1f} ms  cpu {used:5.1f} ms  n={count}",
        flush=True,
    )
    return p95


def main() -> None:
    """Measure all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--reps", type=int, default=40)
    parser.add_argument("--bar", type=float, default=50.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    settings_for(options.folder)
    index = json.loads((options.folder / "index.json").read_text())
    print(
        f"# {index['instances']} instances, {index['studies']} studies, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    worst = 0.0
    with serving(options.folder) as (port, pid):
        for figure in figures(index["studies"]):
            if options.only in figure.name:
                found = measure(port, pid, index["key"], figure, index["sample"], options.reps)
                worst = max(worst, found)
    sys.exit(1 if worst > options.bar else 0)


if __name__ == "__main__":
    main()
