# SPDX-License-Identifier: Apache-2.0
"""How hot reads find their rows: always by an index, whatever the archive holds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from threading import Barrier

import pytest
from sqlalchemy import Connection

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import ArchiveQuery, InstanceRef, SearchLevel
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.hotread import THREADS, reader_of
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_series

Keys = dict[str, str]


@pytest.fixture
async def ref(db: Database, actor: Actor, send: Send) -> InstanceRef:
    """One of three stored slices."""
    if not db.is_sqlite:
        pytest.skip("PostgreSQL chooses by the figures of the data")
    answers = await send(ct_series(3))
    wanted = service.Wanted("default", answers[0].study_uid)
    _, refs = await service.find_refs(db, actor, wanted)
    return refs[1]


@asynccontextmanager
async def plans(db: Database) -> AsyncIterator[list[str]]:
    """Yield a list that holds the steps of all statements read meanwhile, at the end."""
    texts: dict[str, None] = {}
    steps: list[str] = []

    def watch(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(lambda text: texts.setdefault(text))

    def explain(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(None)
        for text in [t for t in texts if t.lstrip().startswith("SELECT")]:
            steps.extend(str(row[3]) for row in raw.execute(f"EXPLAIN QUERY PLAN {text}"))

    await _by_each_thread(db, watch)
    yield steps
    await _by_each_thread(db, explain)


async def _by_each_thread(db: Database, work: Callable[[Connection], None]) -> None:
    """Run work once in every thread of the reader: each has a connection of its own."""
    meeting = Barrier(THREADS)

    def one(connection: Connection) -> None:
        meeting.wait(timeout=60)  # nobody takes a second turn before all had one
        work(connection)

    await asyncio.gather(*(reader_of(db).run(one) for _ in range(THREADS)))


def scanned(steps: Sequence[str]) -> list[str]:
    """Return the steps that walk a table without a condition on an index."""
    return [step for step in steps if step.startswith("SCAN") and "CONSTANT" not in step]


class TestFindRefs:
    @pytest.mark.parametrize(
        ("parts", "index"),
        [(0, "ix_instances_study"), (1, "ix_instances_series"), (2, "uq_instances_live")],
        ids=["study", "series", "instance"],
    )
    async def test_instances_are_found_by_the_index_of_what_is_named(
        self, db: Database, actor: Actor, ref: InstanceRef, parts: int, index: str
    ) -> None:
        named = (ref.series_uid, ref.sop_uid)[:parts]
        wanted = service.Wanted("default", ref.study_uid, *named)
        async with plans(db) as steps:
            await service.find_refs(db, actor, wanted)
            await service.ready_metadata(db, actor, wanted)
        assert not scanned(steps), steps
        assert any(f"instances USING INDEX {index}" in step for step in steps), steps


class TestFindOn:
    @pytest.mark.parametrize(
        ("level", "keys"),
        [
            ("study", ("StudyInstanceUID",)),
            ("study", ("PatientID",)),
            ("study", ("AccessionNumber",)),
            ("series", ("StudyInstanceUID",)),
            ("instance", ("StudyInstanceUID", "SeriesInstanceUID")),
            ("instance", ("SOPInstanceUID",)),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
    )
    async def test_exact_keys_read_no_whole_table(
        self,
        db: Database,
        actor: Actor,
        space: SpaceRead,
        ref: InstanceRef,
        level: SearchLevel,
        keys: Sequence[str],
    ) -> None:
        values: Keys = {
            "StudyInstanceUID": ref.study_uid,
            "SeriesInstanceUID": ref.series_uid,
            "SOPInstanceUID": ref.sop_uid,
            "PatientID": "P1",
            "AccessionNumber": "A1",
        }
        query = ArchiveQuery({k: values[k] for k in keys}, with_total=True)

        def work(connection: Connection) -> int:
            return len(service.find_on(connection, actor, space, level, query).items)

        async with plans(db) as steps:
            await reader_of(db).run(work)
        assert steps
        assert not scanned(steps), steps

    async def test_a_page_of_everything_walks_the_index_of_its_space(
        self, db: Database, actor: Actor, space: SpaceRead, ref: InstanceRef
    ) -> None:
        def work(connection: Connection) -> int:
            found = service.find_on(connection, actor, space, "study", ArchiveQuery(limit=5))
            return len(found.items)

        async with plans(db) as steps:
            assert await reader_of(db).run(work) == 1
        assert not scanned(steps), steps
