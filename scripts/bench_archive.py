# SPDX-License-Identifier: Apache-2.0
"""Measure our archive and Debian's Orthanc side by side with the bench kit beside the project.

Run: ``make bench-archive`` or ``python scripts/bench_archive.py [--rounds N] [--only GROUP]``. It
needs root (a network namespace keeps both servers off the network), Orthanc with its DICOMweb
plugin, dcmtk, and the kit in ``$HV_SHARED/bench``. Both servers run all the time, are loaded with
the same files, then take turns group by group; a figure is the median over the rounds. Orthanc
has SQLite, fsync on and TCP_NODELAY=1; ours has its defaults: sign-in, audit, encryption, fsync.
"""

import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from healthvision.app import accounts, schema
from healthvision.kernel.settings import CoreSettings

INSIDE = "HV_BENCH_INSIDE"
SHARED = Path(os.environ.get("HV_SHARED", Path(__file__).resolve().parents[2] / "shared"))
KIT = SHARED / "bench"
GROUPS = ("cstore", "stow", "lag", "qido", "cfind", "wado", "frames", "rendered", "meta", "get")
LESS_IS_BETTER = {"ms_p50", "ms_mean", "MB"}
LINE = re.compile(r"^(\w+) ([\d.]+) (\S+)(.*)$")
AET = "BENCH"
ORTHANC_HTTP, ORTHANC_DICOM, OURS_HTTP, OURS_DICOM, MOVE_PORT = 18042, 14242, 18080, 14343, 14250


@dataclass(frozen=True, slots=True)
class Server:
    """One archive under measurement."""

    name: str
    web: str
    ae: str
    dicom_port: int
    pid: int
    headers: tuple[str, ...] = ()


@dataclass(slots=True)
class Figures:
    """All values of one server: figure -> values over the rounds, with its unit."""

    values: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def take(self, text: str) -> None:
        """Read the lines the kit printed."""
        for line in text.splitlines():
            if line.startswith("FAIL"):
                self.failed.append(line)
                continue
            found = LINE.match(line)
            if found is None:
                continue
            name, value, unit, rest = found.groups()
            self.values.setdefault(name, []).append(float(value))
            self.units[name] = unit
            cpu = re.search(r"cpu_ms\w*=([\d.]+)", rest)
            if cpu is not None:
                self.cpu.setdefault(name, []).append(float(cpu.group(1)))


def make_data(folder: Path, small: int) -> None:
    """Make the two sets of files once."""
    jobs = {
        "ct": ["--studies", "4", "--slices", "300", "--start", "1"],
        "small": ["--small", str(small), "--start", "1000"],
    }
    for name, options in jobs.items():
        if not (folder / name / "manifest.json").exists():
            run = [sys.executable, str(KIT / "gen_ct.py"), str(folder / name), *options]
            subprocess.run(run, check=True)


@contextmanager
def orthanc(folder: Path) -> Iterator[Server]:
    """Run Debian's Orthanc as the bench kit's description says."""
    folder.mkdir(parents=True)
    plugins = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
    config = {
        "Name": "BENCH",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "StorageCompression": False,
        "Plugins": [plugins],
        "HttpPort": ORTHANC_HTTP,
        "DicomPort": ORTHANC_DICOM,
        "DicomAet": "ORTHANC",
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomCheckCalledAet": False,
        "DicomModalities": {"bench": [AET, "127.0.0.1", MOVE_PORT]},
        "KeepAlive": True,
        "TcpNoDelay": True,
        "SyncStorageArea": True,
        "LimitFindResults": 0,
        "LimitFindInstances": 0,
        "OverwriteInstances": False,
        "DicomWeb": {"Enable": True, "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(path)], stdout=log, stderr=log, env=environment)
    try:
        wait(f"http://127.0.0.1:{ORTHANC_HTTP}/system")
        web = f"http://127.0.0.1:{ORTHANC_HTTP}/dicom-web"
        yield Server("Orthanc", web, "ORTHANC", ORTHANC_DICOM, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def ours(folder: Path, processes: str) -> Iterator[Server]:
    """Run our platform with its defaults and an API key of the tier 'service'."""
    folder.mkdir(parents=True)
    os.environ.update(
        HV_DATA_DIR=str(folder / "data"),
        HV_MASTER_KEY_FILE=str(folder / "keys" / "master.key"),
        HV_AUDIT_ANCHOR_DIR=str(folder / "anchor"),
        HV_PORT=str(OURS_HTTP),
        HV_DIMSE_PORT=str(OURS_DICOM),
        HV_DIMSE_HOST="127.0.0.1",
    )
    schema.upgrade(CoreSettings().resolved_database_url())
    people = asyncio.run(accounts.demo_people(CoreSettings()))
    command = [sys.executable, "-m", "healthvision", *processes.split()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{OURS_HTTP}"
        wait(f"{url}/readyz")
        register_titles(url, people.admin_key)
        header = f"Authorization: Bearer {people.admin_key}"
        web = f"{url}/dicomweb/default"
        yield Server("HealthVision", web, "HEALTHVISION", OURS_DICOM, process.pid, (header,))
    finally:
        process.terminate()
        process.wait(timeout=60)


def register_titles(url: str, key: str) -> None:
    """Name our AE and the bench's, and switch the analysis rules off: Orthanc analyses nothing."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        operations = ["store", "find", "get", "move", "receive"]
        named = {"title": "HEALTHVISION", "space": "default", "anybody": True}
        client.post("/v1/called-aes", json=named).raise_for_status()
        peer = {"title": AET, "host": "127.0.0.1", "port": MOVE_PORT, "operations": operations}
        client.post("/v1/remote-aes", json=peer).raise_for_status()
        rules = client.get("/v1/rules").raise_for_status().json()
        for rule in rules["items"] if isinstance(rules, dict) else rules:
            off = {"enabled": False}
            client.patch(f"/v1/rules/{rule['id']}", json=off).raise_for_status()


def wait(url: str, seconds: float = 90.0) -> None:
    """Ask until a server answers; raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise TimeoutError(f"no answer from {url}")


def kit(server: Server, data: Path, groups: str, reps: int) -> str:
    """Run groups of the bench kit against one server and return what it printed."""
    command = [sys.executable, str(KIT / "archive_bench.py"), "--web", server.web]
    command += ["--port", str(server.dicom_port), "--ae", server.ae, "--aet", AET]
    command += ["--ct", str(data / "ct"), "--small", str(data / "small"), "--pid", str(server.pid)]
    command += ["--move-port", str(MOVE_PORT), "--only", groups, "--reps", str(reps)]
    for header in server.headers:
        command += ["--header", header]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(f"== {server.name} {groups}\n{done.stdout}{done.stderr[-2000:]}\n")
    sys.stderr.flush()
    return done.stdout


def table(ours: Figures, other: Figures) -> str:
    """Return the figures side by side; a ratio above 1 means that ours is better."""
    rows = ["| figure | unit | ours | Orthanc | ratio | CPU ms ours | CPU ms Orthanc |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, unit in ours.units.items():
        mine = statistics.median(ours.values[name])
        theirs = statistics.median(other.values[name]) if name in other.values else None
        ratio = ""
        if theirs:
            better = theirs / mine if unit in LESS_IS_BETTER else mine / theirs
            ratio = f"{better:.2f}"
        cells = [name, unit, f"{mine:g}", "failed" if theirs is None else f"{theirs:g}", ratio]
        cells += [cpu_of(ours, name), cpu_of(other, name)]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [
        f"{who}: {line}" for who, f in (("ours", ours), ("Orthanc", other)) for line in f.failed
    ]
    return "\n".join(rows)


def cpu_of(figures: Figures, name: str) -> str:
    """Return the median CPU time per item, or a dash."""
    found = figures.cpu.get(name)
    return f"{statistics.median(found):g}" if found else "-"


def measure(args: argparse.Namespace) -> None:
    """Run both servers, take turns, print the table."""
    groups: Sequence[str] = args.only.split(",") if args.only else GROUPS
    data = Path(args.data)
    make_data(data, args.small)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=args.tmp)))
        servers = []
        if "orthanc" not in args.without:
            servers.append(stack.enter_context(orthanc(folder / "orthanc")))
        if "ours" not in args.without:
            servers.append(stack.enter_context(ours(folder / "ours", args.command)))
        figures = {s.name: Figures() for s in servers}
        for server in servers:
            figures[server.name].take(kit(server, data, "load", args.reps))
        for number in range(args.rounds):
            for group in groups:
                for server in servers if number % 2 else reversed(servers):
                    figures[server.name].take(kit(server, data, group, args.reps))
        empty = Figures()
        mine = figures.get("HealthVision", empty)
        text = table(mine if mine.units else figures["Orthanc"], figures.get("Orthanc", empty))
        load = " ".join(f"{x:.1f}" for x in os.getloadavg())
        sys.stdout.write(f"{args.rounds} rounds, load {load}\n\n{text}\n")
        if args.keep_log and "ours" not in args.without:
            shutil.copy(folder / "ours" / "log", args.keep_log)


def main() -> None:
    """Read the options; move into a network of our own first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reps", type=int, default=20)
    parser.add_argument("--only", default="")
    parser.add_argument("--without", default="", help="orthanc or ours")
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--data", default=".cache/bench")
    parser.add_argument("--tmp", default=None)
    parser.add_argument("--command", default="run all", help="how our platform is started")
    parser.add_argument("--keep-log", default="")
    args = parser.parse_args()
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        inner = "ip link set lo up && exec " + shlex.join([sys.executable, *sys.argv])
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", inner])
    measure(args)


if __name__ == "__main__":
    main()
