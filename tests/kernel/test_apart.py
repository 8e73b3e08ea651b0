# SPDX-License-Identifier: Apache-2.0
"""Work apart: answers come back, and a child that dies takes nobody along."""

import os
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from healthvision.kernel.apart import ChildLost, ChildProcesses
from healthvision.kernel.errors import Invalid


def double(data: bytes) -> bytes:
    return data * 2


def refuse(_data: bytes) -> bytes:
    raise Invalid("not a picture")


def die(_data: bytes) -> bytes:
    os.abort()


def hang(_data: bytes) -> bytes:
    time.sleep(60)
    return b""


def eat(_data: bytes) -> bytes:
    return bytes(np.ones(8 << 30, np.uint8)[:1])


@pytest.fixture
async def children() -> AsyncIterator[ChildProcesses]:
    made = ChildProcesses(1, memory_mb=2048, seconds=2)
    yield made
    made.close()


class TestRun:
    async def test_a_death_a_hang_and_a_glutton_cost_only_their_own_work(
        self, children: ChildProcesses
    ) -> None:
        assert await children.run(double, b"ab") == b"abab"
        for work, words in (
            (die, "failed"),
            (refuse, "not a picture"),
            (hang, "failed"),
            (eat, "memory"),
        ):
            with pytest.raises(ChildLost, match=words):
                await children.run(work, b"")
            assert await children.run(double, b"x") == b"xx"
