# SPDX-License-Identifier: Apache-2.0
"""Measure the way in without a door: ``archive.receive`` into SQLite, alone and in batches.

Run: ``python scripts/bench_ingest.py [--ct N] [--small N] [--dir FOLDER]``. Each measurement gets a
fresh database and folder and one JSON line: objects per second, wall and CPU ms per object (CPU of
the whole process, all threads), MB per second.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid
from sqlalchemy import create_engine

from healthvision.app.assembly import register, started
from healthvision.domains.archive import module as archive_room
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.records import indexes
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import module as audit
from healthvision.domains.notify import module as notify
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Base, Database
from healthvision.kernel.engine import EngineQueue, migrate
from healthvision.kernel.jobs import JobQueue
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings

MODULES = [
    *(audit.MODULE, storage.MODULE, patients.MODULE, notify.MODULE),
    *(spaces.MODULE, archive_room.MODULE),
]
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.factories.dicom import ct_bytes  # noqa: E402 (the path is set above)


def objects(count: int, size: int) -> list[bytes]:
    """Return ``count`` objects of one series, each with its own UID and number."""
    study, series, sop = generate_uid(), generate_uid(), generate_uid()
    first = ct_bytes(study_uid=study, series_uid=series, sop_uid=sop, size=size)
    noise = np.random.default_rng(1).integers(0, 255, len(first) // 4, dtype=np.uint8).tobytes()
    body = first[: -len(noise)] + noise if size > 64 else first
    out = []
    for number in range(count):
        uid = f"{sop[:-6]}{number:06d}"
        out.append(body.replace(sop.encode(), uid.encode()))
    return out


def batches(items: Sequence[bytes], count: int) -> Iterator[list[Incoming]]:
    """Yield the objects in groups."""
    for start in range(0, len(items), count):
        yield [Incoming(data) for data in items[start : start + count]]


async def measure(name: str, folder: Path, items: Sequence[bytes], count: int) -> None:
    """Receive all objects in groups of ``count`` and write one line."""
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
    register(db, MODULES)
    db.resources.put(JobQueue, EngineQueue(url))  # type: ignore[type-abstract]
    async with started(db, MODULES, core):
        async with db.transaction() as session:
            await ensure_default(session, actor)
        await _send(db, actor, objects(2, 16), 1)  # warm
        wall, cpu = time.perf_counter(), time.process_time()
        await _send(db, actor, items, count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await db.close()
    line = {
        "measured": name,
        "batch": count,
        "objects": len(items),
        "per_s": round(len(items) / wall, 1),
        "wall_ms": round(wall * 1000 / len(items), 3),
        "cpu_ms": round(cpu * 1000 / len(items), 3),
        "mb_s": round(sum(map(len, items)) / wall / 1e6, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def _send(db: Database, actor: Actor, items: Sequence[bytes], count: int) -> None:
    for group in batches(items, count):
        answers = await archive.receive(
            db, actor, group, space_id="default", origin=Origin("folder", "bench")
        )
        if any(a.outcome != "stored" for a in answers):
            raise SystemExit("not all objects were stored")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=int, default=300)
    parser.add_argument("--small", type=int, default=5000)
    parser.add_argument("--dir", type=Path, default=None, help="where databases and bytes go")
    given = parser.parse_args()
    ct, small = objects(given.ct, 512), objects(given.small, 16)
    for name, items, counts in (("ct", ct, (1, 64)), ("small", small, (1, 64))):
        for count in counts:
            with tempfile.TemporaryDirectory(dir=given.dir) as folder:
                asyncio.run(measure(name, Path(folder), items, count))


if __name__ == "__main__":
    main()
