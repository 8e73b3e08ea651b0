# SPDX-License-Identifier: Apache-2.0
"""Time and identifiers as services that a test can control."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Where the program gets the time from."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, in UTC."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes for identifiers."""
        ...


class SystemClock:
    """The machine's clock and random source."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def random_bytes(self, count: int) -> bytes:
        """Return random bytes of the operating system."""
        return os.urandom(count)


class FixedClock:
    """A clock for tests: stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._count = 0

    def now(self) -> datetime:
        """Return the time the clock was set to."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward (or back, when negative)."""
        self._now += timedelta(seconds=seconds)

    def random_bytes(self, count: int) -> bytes:
        """Return counted bytes, different at each call."""
        self._count += 1
        return self._count.to_bytes(count, "big")


_clock: Clock = SystemClock()
_id_lock = threading.Lock()
_last_id_ms = 0
_sequence = 0


def now() -> datetime:
    """Return the current time in UTC."""
    return _clock.now()


def monotonic() -> float:
    """Return seconds for measuring durations; never goes back."""
    return time.monotonic()


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): sorts by time, and strictly so within this process."""
    global _last_id_ms, _sequence
    stamp = int(_clock.now().timestamp() * 1000)
    with _id_lock:
        if stamp > _last_id_ms:
            _last_id_ms, _sequence = stamp, 0
        else:
            _sequence += 1
            if _sequence > 0xFFF:
                _last_id_ms, _sequence = _last_id_ms + 1, 0
        ms, sequence = _last_id_ms, _sequence
    tail = int.from_bytes(_clock.random_bytes(8), "big") & (2**62 - 1)
    return UUID(int=(ms << 80) | (0x7 << 76) | (sequence << 64) | (0b10 << 62) | tail)


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Replace the clock inside a ``with`` block (tests only)."""
    global _clock, _last_id_ms
    before, before_ms = _clock, _last_id_ms
    _clock, _last_id_ms = clock, 0
    try:
        yield clock
    finally:
        _clock, _last_id_ms = before, before_ms
