# SPDX-License-Identifier: Apache-2.0
"""Measure C-STORE into a receiving process with nothing beside it: CPU of that process alone.

Run: ``python scripts/bench_receive.py [--small N] [--ct N] [--associations N] [--rounds N] [--tree
FOLDER ...]``. A child process opens a DICOM port over a fresh database (SQLite, encrypted, audit
on) and says how much CPU it used; this one sends. ``--tree``: other working trees to measure as
well, in turns. One JSON line for each round, tree and set.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import bench_ingest
from sqlalchemy import create_engine

from healthvision.app import tuning
from healthvision.app.assembly import register, started
from healthvision.domains.archive.records import indexes
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import CalledAeCreate, RemoteAeCreate
from healthvision.domains.spaces.service import ensure_default
from healthvision.formats.dicom import scu
from healthvision.formats.dicom.association import Timers
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.formats.dicom.part10 import EXPLICIT_LE
from healthvision.interfaces.dimse.door import bind_port, open_door
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Base, Database
from healthvision.kernel.engine import EngineQueue, migrate
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from healthvision.kernel.wire import connect

ROOT = Path(__file__).resolve().parents[1]
CALLED, CALLING, CT = "BENCH", "SENDER", "1.2.840.10008.5.1.4.1.1.2"
SIZES = {"small": 16, "ct": 512}


@dataclass(frozen=True)
class Child:
    """A receiving process; it answers each line with its CPU seconds so far."""

    port: int
    asked: IO[str]
    said: IO[str]

    def cpu(self) -> float:
        """Return user and system seconds of the process."""
        self.asked.write("\n")
        self.asked.flush()
        return float(next(line for line in self.said if line[0].isdigit() and "[" not in line))


async def receive(folder: Path) -> None:
    """Open a port and answer questions until standard input ends."""
    tuning.before_start()
    os.environ["HV_DATA_DIR"] = str(folder / "data")
    os.environ["HV_MASTER_KEY_FILE"] = str(folder / "master.key")
    os.environ["HV_AUDIT_ANCHOR_DIR"] = str(folder / "anchor")
    url, modules = f"sqlite:///{folder}/bench.db", bench_ingest.MODULES
    engine = create_engine(url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        indexes.ensure(connection)
    engine.dispose()
    migrate(url)
    db, actor, settings = (
        Database(url),
        Actor.system(new_id()),
        DimseSettings(host="127.0.0.1", port=0),
    )
    register(db, modules)
    db.resources.put(JobQueue, EngineQueue(url))  # type: ignore[type-abstract]
    async with started(db, modules, CoreSettings()):
        async with db.transaction() as session:
            await ensure_default(session, actor)
            await aes.add_called(session, actor, CalledAeCreate(title=CALLED))
            peer = RemoteAeCreate(title=CALLING, host="127.0.0.1", port=104, operations=["store"])
            await aes.add_remote(session, actor, peer)
        tuning.after_start()
        async with open_door(db, bind_port(settings), settings) as port:
            sys.stdout.write(f"{port}\n")
            sys.stdout.flush()
            while await asyncio.to_thread(sys.stdin.readline):
                used = resource.getrusage(resource.RUSAGE_SELF)
                sys.stdout.write(f"{used.ru_utime + used.ru_stime}\n")
                sys.stdout.flush()
    await db.close()


@contextmanager
def receiving(tree: Path, folder: Path) -> Iterator[Child]:
    """Run the receiving process of a working tree over a fresh folder."""
    paths = os.pathsep.join(map(str, (tree / "src", tree)))
    env = {**os.environ, "PYTHONPATH": paths, "HV_LOG_LEVEL": "error"}
    command = [sys.executable, __file__, "--inside", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        port = next(line for line in process.stdout if line.strip().isdigit())  # behind log lines
        yield Child(int(port), process.stdin, process.stdout)
        process.stdin.close()


def send(port: int, items: Sequence[bytes]) -> None:
    """Send Part 10 files over one association, each behind the answer to the one before."""
    wire = connect("127.0.0.1", port, seconds=30)
    try:
        proposed = scu.proposals([(CT, EXPLICIT_LE)])
        association = scu.associate(wire, CALLING, CALLED, proposed, Timers())
        context = association.context_for(CT, EXPLICIT_LE)
        assert context is not None
        for data in items:
            start = data_set_start(data)
            mark = data.index(b"\x08\0\x18\0UI", start)
            length = int.from_bytes(data[mark + 6 : mark + 8], "little")
            uid = data[mark + 8 : mark + 8 + length].rstrip(b"\0").decode()
            body = memoryview(data)[start:]
            if status := scu.store(association, context, scu.Sent(CT, uid, len(body)), [body]):
                raise SystemExit(f"not stored: {status:04x}")
        association.release()
    finally:
        wire.close()


def measure(child: Child, name: str, count: int, associations: int) -> dict[str, object]:
    """Send ``count`` new objects over some associations at once and return figures."""
    series = [bench_ingest.objects(count // associations, SIZES[name]) for _ in range(associations)]
    threads = [threading.Thread(target=send, args=(child.port, items)) for items in series]
    wall, cpu = time.perf_counter(), child.cpu()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, cpu, sent = time.perf_counter() - wall, child.cpu() - cpu, sum(map(len, series))
    return {
        "measured": name,
        "associations": associations,
        "per_s": round(sent / wall, 1),
        "cpu_ms": round(cpu * 1000 / sent, 3),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Run the rounds, or the receiving side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--ct", type=int, default=150)
    parser.add_argument("--associations", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tree", type=Path, action="append", default=[])
    parser.add_argument("--dir", type=Path, default=None, help="where databases and bytes go")
    parser.add_argument("--inside", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        asyncio.run(receive(given.inside))
        return
    for number in range(given.rounds):
        for tree in (*given.tree, ROOT):
            with (
                tempfile.TemporaryDirectory(dir=given.dir) as folder,
                receiving(tree, Path(folder)) as child,
            ):
                send(child.port, bench_ingest.objects(50, 16))  # warm
                for name, count in (("small", given.small), ("ct", given.ct)):
                    figures = measure(child, name, count, given.associations)
                    line = {"round": number, "tree": str(tree), **figures}
                    sys.stdout.write(json.dumps(line) + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
