# SPDX-License-Identifier: Apache-2.0
"""Measure the viewer in headless Chromium with software GL: first image, three planes.

Run: ``python scripts/bench_viewer.py [--rounds N] [--slices N] [--side N]`` in a checkout whose
interface is built (``make web``). It starts its own platform (SQLite, local folder, one process,
loopback), stores one CT, opens it from the worklist and by its address, and stops it. One JSON
line per measurement; times are ms since the click (or since the page was asked for), with the
steps between: ``> x`` asked, ``< x`` answered. ``picture``: the picture that stands for the first
image was on the screen; ``drawn``: the canvas was. ``load``: the machine's 1-minute load. The last
lines are the medians of each case.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.small_ct import small_ct  # noqa: E402
from tests.web.conftest import Workstation, store, workstation_in  # noqa: E402

from healthvision.formats.dicom.uids import derive_uid  # noqa: E402

NAME = "speed"


def ct(slices: int, side: int) -> list[bytes]:
    """Return a CT of noise around a bright disc, ``slices`` of ``side`` x ``side``."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:side, :side] - side / 2
    disc = np.where(x**2 + y**2 < (side / 3) ** 2, 1064, 24)
    out = []
    for data in small_ct(NAME, slices=slices):
        ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))
        ds.Rows = ds.Columns = side
        ds.PixelData = (disc + random.integers(0, 60, disc.shape)).astype("<u2").tobytes()
        buffer = pydicom.filebase.DicomBytesIO()
        ds.save_as(buffer)
        out.append(buffer.getvalue())
    return out


@dataclass(frozen=True)
class Measured:
    """One opening: ms until its steps, ms of CPU of page and graphics process, the load then."""

    name: str
    ms: dict[str, int]
    cpu_ms: dict[str, int]
    load: float


def write(told: Mapping[str, object]) -> None:
    """Write one JSON line at once."""
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def medians(all_measured: Sequence[Measured]) -> Iterator[dict[str, object]]:
    """Yield for each case the medians of what matters, and between which loads it ran."""
    for name in dict.fromkeys(m.name for m in all_measured):
        runs = [m for m in all_measured if m.name == name]
        told: dict[str, object] = {"median of": len(runs), "case": name}
        for step in ("picture", "drawn"):
            found = [m.ms[step] for m in runs if step in m.ms]
            told[step] = round(statistics.median(found)) if len(found) == len(runs) else None
        for process in ("page", "graphics"):
            told[f"cpu {process}"] = round(statistics.median(m.cpu_ms[process] for m in runs))
        yield {**told, "load": [min(m.load for m in runs), max(m.load for m in runs)]}


def measure(running: Workstation, rounds: int) -> None:
    """Run the browser and write what it measured, each line with the load of now; then medians."""
    all_measured = []
    environment = {
        **os.environ,
        **running.people_environment(),
        "HV_E2E_STUDY": derive_uid("small", NAME, "study"),
        "HV_E2E_ROUNDS": str(rounds),
    }
    command = [sys.executable, "scripts/web_build.py", "e2e", "speed"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as browser:
        assert browser.stdout is not None
        for line in browser.stdout:
            if line.startswith("{"):
                told = {**json.loads(line), "load": round(os.getloadavg()[0], 1)}
                write(told)
                took = Measured(told["measured"], told["ms"], told["cpu_ms"], told["load"])
                all_measured.append(took)
    if browser.returncode:
        sys.exit("the browser's part failed")
    for told in medians(all_measured):
        write(told)


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workstation_in(Path(folder)) as running:
        key = running.people.doctor_key
        files = ct(asked.slices, asked.side)
        for at in range(0, len(files), 20):
            store(running.url, key, files[at : at + 20])
        measure(running, asked.rounds)


if __name__ == "__main__":
    main()
