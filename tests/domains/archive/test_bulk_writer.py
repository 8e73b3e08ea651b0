# SPDX-License-Identifier: Apache-2.0
"""The turns of the bulk writer: whoever waits writes, nobody's rows are left lying."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from healthvision.domains.archive.receiving import bulk_writer
from healthvision.domains.archive.receiving.bulk_writer import BulkWriter, Work
from healthvision.domains.archive.receiving.recording import Request, Written
from healthvision.domains.archive.schemas import Origin
from healthvision.kernel.bulkdb import BulkDatabase
from healthvision.kernel.errors import Busy
from healthvision.kernel.resources import Resources


class Noting(BulkWriter):
    """Writes nothing; notes who wrote how many works at once, and may be held up."""

    def __init__(self) -> None:
        super().__init__(BulkDatabase("sqlite:///nothing-is-written.db"), Resources())
        self.notes: list[tuple[str, int]] = []
        self.go = threading.Event()
        self.go.set()
        self.inside = threading.Event()
        self.at_once = 0

    def _write(self, batch: list[Work]) -> None:
        self.at_once += 1
        assert self.at_once == 1, "two threads write"
        self.inside.set()
        assert self.go.wait(30)
        self.notes.append((threading.current_thread().name, len(batch)))
        self.at_once -= 1
        for work in batch:
            work.answer.set_result(Written())


def work() -> Work:
    """Return a work without items."""
    anything: Any = None
    return Work(Request(anything, anything, Origin("dimse"), []), uuid4(), None)


class TestWrite:
    def test_a_thread_that_waits_writes_itself(self) -> None:
        writer = Noting()
        assert writer.write(work()).done()
        assert writer.notes == [(threading.current_thread().name, 1)]
        writer.stop()

    def test_who_comes_meanwhile_is_written_by_the_writers_own_thread(self) -> None:
        writer = Noting()
        writer.go.clear()
        with ThreadPoolExecutor(1, thread_name_prefix="first") as pool:
            first = pool.submit(writer.write, work())
            assert writer.inside.wait(30)
            later = [writer.write(work()) for _ in range(3)]
            assert not any(answer.done() for answer in later)
            writer.go.set()
            first.result(30).result(30)
            for answer in later:
                answer.result(30)
        assert [count for _, count in writer.notes] == [1, 3]
        assert [name.partition("_")[0] for name, _ in writer.notes] == ["first", "bulk-writer"]
        writer.stop()

    def test_many_threads_all_get_their_answers(self) -> None:
        writer = Noting()
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(writer.write, work()) for _ in range(400)]
            asked += [pool.submit(writer.put, work()) for _ in range(400)]
            for answer in asked:
                answer.result(30).result(30)
        assert sum(count for _, count in writer.notes) == 800
        writer.stop()

    def test_after_the_stop_nothing_is_taken(self) -> None:
        writer = Noting()
        last = writer.put(work())
        writer.stop()
        assert last.done()
        for way in (writer.put, writer.write):
            with pytest.raises(Busy):
                way(work())

    def test_who_stops_waiting_stops_nobody_elses_answer(self) -> None:
        writer = Noting()
        writer.go.clear()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(writer.write, work())
            assert writer.inside.wait(30)
            gone, stays = writer.put(work()), writer.put(work())
            gone.cancel()  # what a client that went away does to a wrapped future
            writer.go.set()
            assert stays.result(timeout=30) == Written()
            assert first.result(timeout=30).done()
        assert writer.put(work()).result(timeout=30) == Written()
        writer.stop()


class TestLater:
    def test_what_nobody_waits_for_is_gathered_until_somebody_does(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk_writer, "LINGER_S", 3600.0)
        writer = Noting()
        answers = [writer.later(work()) for _ in range(3)]
        assert not any(answer.done() for answer in answers)
        writer.hurry(answers[0])
        assert all(answer.done() for answer in answers)
        assert writer.notes == [(threading.current_thread().name, 3)]
        writer.stop()

    def test_what_nobody_hurries_is_written_all_the_same(self) -> None:
        writer = Noting()
        for _ in range(3):
            assert writer.later(work()).result(60) == Written()
        assert {name for name, _ in writer.notes} == {"bulk-writer"}
        writer.stop()

    def test_whoever_hurries_while_another_writes_has_it_written_behind(self) -> None:
        writer = Noting()
        writer.go.clear()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(writer.write, work())
            assert writer.inside.wait(30)
            answer = writer.later(work())
            writer.hurry(answer)
            assert not answer.done()
            writer.go.set()
            assert answer.result(60) == Written()
            first.result(60)
        writer.stop()

    def test_what_waits_at_the_stop_is_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bulk_writer, "LINGER_S", 3600.0)
        writer = Noting()
        answer = writer.later(work())
        writer.stop()
        assert answer.done()

    def test_many_threads_all_get_their_answers(self) -> None:
        writer = Noting()
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(writer.later, work()) for _ in range(400)]
            asked += [pool.submit(writer.write, work()) for _ in range(400)]
            for answer in asked:
                answer.result(60).result(60)
        assert sum(count for _, count in writer.notes) == 800
        writer.stop()
