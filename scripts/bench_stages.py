# SPDX-License-Identifier: Apache-2.0
"""Tell where the processor time of one received object goes, from its bytes to its answer.

Run: ``python scripts/bench_stages.py [--ct N] [--small N] [--dir FOLDER]``. One thread keeps
objects as an association does, without a network; one JSON line for each size: ms of wall and
CPU of the process, and of the thread within each stage (stages lie within others), per object.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bench_ingest
from sqlalchemy import create_engine

from healthvision.app.assembly import register, started
from healthvision.domains.archive.receiving import bulk_writer, ingest, scanning
from healthvision.domains.archive.records import indexes, unit
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage.blobsealing import BlobSealer
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Base, Database
from healthvision.kernel.engine import EngineQueue, migrate
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.journal import Journal
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

STAGES: Sequence[tuple[Any, str, str]] = (
    (ingest, "scan", "digest and header"),
    (scanning, "read_header", "header alone"),
    (ingest, "json_text", "DICOM JSON"),
    (ingest.Receiver, "_known", "look for the same object"),
    (ingest.heads, "pack_head", "head of the record"),
    (BlobSealer, "seal", "encryption"),
    (Journal, "append", "journal, with its check sum"),
    (Journal, "sync", "fdatasync"),
    (bulk_writer.BulkWriter, "_transaction", "transaction"),
    (bulk_writer, "write_requests", "rows and audit"),
    (unit.Unit, "flush", "rows alone"),
)
spent: Counter[str] = Counter()


def timed(owner: Any, name: str, label: str) -> None:
    """Have a function note the processor time of its thread."""
    inner: Callable[..., Any] = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        begun = time.thread_time()
        try:
            return inner(*args, **kwargs)
        finally:
            spent[label] += time.thread_time() - begun  # type: ignore[assignment]

    setattr(owner, name, outer)


async def measure(folder: Path, sets: Sequence[tuple[str, list[bytes]]]) -> None:
    """Keep all objects of each set one by one and write a line for it."""
    os.environ["HV_DATA_DIR"] = str(folder / "data")
    os.environ["HV_MASTER_KEY_FILE"] = str(folder / "master.key")
    os.environ["HV_AUDIT_ANCHOR_DIR"] = str(folder / "anchor")
    url = f"sqlite:///{folder}/bench.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        indexes.ensure(connection)
    engine.dispose()
    migrate(url)
    db, core, actor = Database(url), CoreSettings(), Actor.system(new_id())
    register(db, bench_ingest.MODULES)
    db.resources.put(JobQueue, EngineQueue(url))  # type: ignore[type-abstract]
    async with started(db, bench_ingest.MODULES, core):
        async with db.transaction() as session:
            await ensure_default(session, actor)
        receiver = ingest.receiver_of(db)
        space = await asyncio.to_thread(receiver.space, actor, "default")

        def keep(items: Sequence[bytes]) -> None:
            for data in items:
                receiver.keep(actor, space, Origin("dimse", "BENCH"), Incoming(data))

        await asyncio.to_thread(keep, bench_ingest.objects(20, 16))  # warm
        for name, items in sets:
            spent.clear()
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.to_thread(keep, items)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            each = 1000 / len(items)
            stages = {label: round(spent[label] * each, 3) for _, _, label in STAGES}
            line = {
                "measured": name,
                "wall_ms": round(wall * each, 2),
                "cpu_ms": round(cpu * each, 2),
            }
            load = round(os.getloadavg()[0], 1)
            sys.stdout.write(json.dumps({**line, "stages": stages, "load": load}) + "\n")
    await db.close()


def main() -> None:
    """Measure both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=int, default=300)
    parser.add_argument("--small", type=int, default=1500)
    parser.add_argument("--dir", type=Path, default=None, help="where database and bytes go")
    given = parser.parse_args()
    for stage in STAGES:
        timed(*stage)
    sets = [
        ("ct", bench_ingest.objects(given.ct, 512)),
        ("small", bench_ingest.objects(given.small, 16)),
    ]
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        asyncio.run(measure(Path(folder), sets))


if __name__ == "__main__":
    main()
