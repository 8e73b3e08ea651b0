# SPDX-License-Identifier: Apache-2.0
"""The journal: order, durability in groups, torn tails, full disks, one owner."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthvision.kernel.journal import Hold, Journal, JournalOwned, Position, records, segments


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "spool" / "one", segment_bytes=4096)
    yield opened
    opened.close()


def texts(folder: Path) -> list[tuple[bytes, bytes]]:
    return [(r.head, r.body()) for path in segments(folder) for r in records(path)]


class TestAppend:
    def test_records_come_back_in_order_over_many_segments(self, journal: Journal) -> None:
        written = []
        for number in range(40):
            body = [bytes([number]) * 300, b"", b"end"]
            place = journal.append(b"head %d" % number, body)
            journal.sync(place)
            written.append((b"head %d" % number, b"".join(body)))
        assert len(segments(journal.folder)) > 2
        assert texts(journal.folder) == written

    def test_the_place_tells_where_the_body_lies(self, journal: Journal) -> None:
        journal.append(b"a", [b"first"])
        place = journal.append(b"b", [b"sec", b"ond"])
        data = (journal.folder / place.name).read_bytes()
        assert data[place.offset : place.offset + place.length] == b"second"

    def test_large_records_between_small_ones_leave_no_file_open(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal")
        opened = []
        for number in range(6):
            journal.sync(journal.append(b"small", [b"x"]))
            journal.solo(b"large", 3, [b"abc"])
            opened.append(len(os.listdir("/proc/self/fd")))
            assert number < 2 or opened[-1] == opened[1], opened
        journal.close()

    def test_a_full_disk_leaves_no_half_record_and_the_next_one_works(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal.append(b"before", [b"x" * 100])
        whole = os.pwritev

        def half(handle: int, parts: list[bytes], at: int) -> int:
            whole(handle, [b"".join(parts)[:50]], at)
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", half)
            with pytest.raises(OSError, match="No space"):
                journal.append(b"lost", [b"y" * 100])
        journal.sync(journal.append(b"after", [b"z" * 100]))
        assert [head for head, _ in texts(journal.folder)] == [b"before", b"after"]

    def test_many_threads_share_the_journal(self, journal: Journal) -> None:
        def write(name: int) -> None:
            for number in range(20):
                journal.sync(journal.append(b"%d-%d" % (name, number), [bytes(50)]))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [head for head, _ in texts(journal.folder)]
        assert sorted(found) == sorted(b"%d-%d" % (n, i) for n in range(6) for i in range(20))
        for name in range(6):
            mine = [head for head in found if head.startswith(b"%d-" % name)]
            assert mine == [b"%d-%d" % (name, i) for i in range(20)]


class TestSync:
    def test_a_failed_sync_is_told_and_what_follows_goes_into_another_segment(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = journal.append(b"lost", [b"x"])

        def fail(handle: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(OSError, match="Input/output"):
                journal.sync(place)
        with pytest.raises(OSError, match="durable"):
            journal.sync(place)
        later = journal.append(b"kept", [b"y"])
        journal.sync(later)
        assert later.segment > place.segment


class TestSolo:
    def test_a_large_record_has_a_segment_of_its_own(self, journal: Journal) -> None:
        first = journal.append(b"a", [b"1"])
        large = journal.solo(b"large", 9000, [bytes(4000), bytes(5000)])
        last = journal.append(b"b", [b"2"])
        assert [first.segment, large.segment, last.segment] == [1, 2, 3]
        assert [head for head, _ in texts(journal.folder)] == [b"a", b"large", b"b"]
        assert b"".join(next(iter(records(journal.folder / large.name))).pieces()) == bytes(9000)

    def test_a_source_that_ends_early_leaves_nothing(self, journal: Journal) -> None:
        with pytest.raises(ValueError, match="promised"):
            journal.solo(b"large", 9000, [bytes(4000)])
        assert segments(journal.folder) == []
        assert journal.checkpoint() == Position(2, 0)


class TestCheckpoint:
    def test_it_stays_before_what_is_not_done(self, journal: Journal) -> None:
        first, second, third = (journal.append(b"h", [b"b"]) for _ in range(3))
        assert journal.checkpoint([second.position]) == first.position
        journal.done([second.position])
        assert journal.checkpoint([first.position]) == third.position
        end = journal.checkpoint([first.position, third.position])
        assert end > third.position
        assert journal.append(b"h", [b"b"]).position == end


class TestRecords:
    @pytest.mark.parametrize("cut", [1, 3, 30, 100])
    def test_a_torn_tail_ends_the_walk(self, journal: Journal, cut: int) -> None:
        journal.append(b"whole", [bytes(80)])
        torn = journal.append(b"torn", [bytes(80)])
        path = journal.folder / torn.name
        os.truncate(path, path.stat().st_size - cut)
        assert [head for head, _ in texts(journal.folder)] == [b"whole"]

    def test_any_flipped_bit_costs_one_record_at_most(self, journal: Journal) -> None:
        places = [journal.append(b"head%d" % n, [bytes([n]) * 60]) for n in range(3)]
        path = journal.folder / places[0].name
        good = path.read_bytes()
        for at in range(places[1].start, places[2].start):
            bad = bytearray(good)
            bad[at] ^= 4
            path.write_bytes(bad)
            assert [r.head for r in records(path)] == [b"head0", b"head2"], at

    def test_the_walk_can_begin_at_a_checkpoint(self, journal: Journal) -> None:
        journal.append(b"one", [b"1"])
        start = journal.append(b"two", [b"2"])
        found = records(journal.folder / start.name, start.start)
        assert [(r.head, r.place.position) for r in found] == [(b"two", start.position)]


class TestHold:
    def test_a_living_journal_cannot_be_taken_over(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "one")
        with pytest.raises(JournalOwned):
            Hold(journal.folder)
        journal.close()
        Hold(journal.folder).release()
