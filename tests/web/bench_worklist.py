# SPDX-License-Identifier: Apache-2.0
"""Measure pages of a worklist of many studies: ``python -m tests.web.bench_worklist [studies]``.

Starts a platform of its own (SQLite, one process, loopback) in a temporary folder, writes the rows
straight into the database and asks for the pages that the interface asks for. Milliseconds, as the
caller waits; CPU: of the serving process per request.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from healthvision.app import accounts
from healthvision.kernel.settings import CoreSettings
from tests.support.platform import platform
from tests.web.conftest import SETTINGS
from tests.web.crowd import many_studies

STUDIES, REPEATS = 100_000, 30
PAGES: dict[str, dict[str, str]] = {
    "first page, by urgency": {},
    "first page, newest": {"order": "newest"},
    "without a signed report": {"tab": "todo"},
    "a name in the middle": {"text": "xiao5777"},
    "beginnings of many names": {"text": "wang"},
    "a day": {"date_from": "20260901", "date_to": "20260901"},
    "an AI state nobody has": {"ai_state": "failed"},
}


def main(count: int) -> None:
    """Write the rows, ask for every page ``REPEATS`` times, print a line for each."""
    with (
        tempfile.TemporaryDirectory() as name,
        platform(Path(name), **SETTINGS) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for variable, value in running.environment.items():
            patch.setenv(variable, value)
        people = asyncio.run(accounts.demo_people(CoreSettings()))
        many_studies(CoreSettings().resolved_database_url(), people.org_id, count)
        api = running.add("all")
        api.wait_ready()
        assert api.popen is not None
        base = f"http://127.0.0.1:{api.port}/v1/worklist"
        with httpx.Client(headers={"X-API-Key": people.doctor_key}, timeout=60) as client:
            pages = {**PAGES, "2,000 rows down": {"cursor": _far(client, base, 40)}}
            for told, asked in pages.items():
                _measure(client, api.popen.pid, told, base, asked)
            _measure(client, api.popen.pid, "counts of all tabs", f"{base}/counts", {})


def _far(client: httpx.Client, base: str, pages: int) -> str:
    cursor: dict[str, str] = {}
    for _ in range(pages):
        cursor = {"cursor": client.get(base, params=cursor).raise_for_status().json()["next"]}
    return cursor["cursor"]


def _measure(
    client: httpx.Client, process: int, told: str, url: str, asked: dict[str, str]
) -> None:
    rows, taken, before = 0, [], 0.0
    for number in range(REPEATS + 3):
        if number == 3:
            before = _cpu_s(process)
        begun = time.perf_counter()
        found = client.get(url, params=asked).raise_for_status().json()
        taken.append(1000 * (time.perf_counter() - begun))
        rows = len(found.get("items", ()))
    cpu = 1000 * (_cpu_s(process) - before) / REPEATS
    ordered = sorted(taken[3:])
    median, p95 = statistics.median(ordered), ordered[int(0.95 * REPEATS)]
    line = f"{told:30} rows {rows:3}  p50 {median:7.1f}  p95 {p95:7.1f}  CPU {cpu:6.1f}"
    sys.stdout.write(f"{line}  load {os.getloadavg()[0]:.1f}\n")


def _cpu_s(process: int) -> float:
    """Return the processor time of a process so far, user and system (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES)
