# SPDX-License-Identifier: Apache-2.0
"""Blocking work in a thread that is waited for even when the waiting one is stopped."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def to_end(call: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Run ``call`` in a thread and wait for its end; blocks nothing else.

    When cancelled, ``stop`` is set for the call to see, and its end is awaited before
    CancelledError is raised: what comes after may rely on nothing running any more.
    """
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        await asyncio.wait({running})
        _ = running.cancelled() or running.exception()  # else it is told as never looked at
        raise
