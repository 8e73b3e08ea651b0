# SPDX-License-Identifier: Apache-2.0
"""Queue loops sleep until something happened."""

import threading

from healthvision.kernel.wakeup import Bell

LONG_S = 60.0


class TestBell:
    def test_a_ring_ends_the_wait_without_a_stop(self) -> None:
        bell = Bell()
        threading.Timer(0.05, bell.ring).start()
        assert bell.wait(LONG_S) is False

    def test_a_ring_before_the_wait_is_not_lost(self) -> None:
        bell = Bell()
        bell.ring()
        assert bell.wait(LONG_S) is False

    def test_a_stop_ends_the_wait(self) -> None:
        bell = Bell()
        threading.Timer(0.05, bell.set).start()
        assert bell.wait(LONG_S) is True

    def test_a_stop_counts_after_a_ring(self) -> None:
        bell = Bell()
        bell.ring()
        bell.set()
        assert bell.wait(LONG_S) is True

    def test_the_slow_poll_comes_without_a_ring(self) -> None:
        assert Bell().wait(0.01) is False
