# SPDX-License-Identifier: Apache-2.0
"""Ids sort by time and tests hold the clock."""

from datetime import UTC, datetime

from healthvision.kernel.clock import FixedClock, new_id, now, use_clock


class TestNewId:
    def test_ids_of_one_process_sort_in_the_order_they_were_made(self) -> None:
        made = [new_id() for _ in range(20_000)]
        assert made == sorted(made)
        assert len(set(made)) == len(made)

    def test_is_a_version_7_uuid_with_the_time_in_front(self) -> None:
        clock = FixedClock(datetime(2026, 1, 2, tzinfo=UTC))
        with use_clock(clock):
            made = new_id()
        assert made.version == 7
        assert made.int >> 80 == int(clock.now().timestamp() * 1000)


class TestUseClock:
    def test_time_stands_still_until_it_is_moved(self) -> None:
        clock = FixedClock(datetime(2026, 1, 2, tzinfo=UTC))
        with use_clock(clock):
            before = now()
            clock.advance(90)
            assert (now() - before).total_seconds() == 90
