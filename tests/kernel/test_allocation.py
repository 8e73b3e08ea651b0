# SPDX-License-Identifier: Apache-2.0
"""Memory that is freed and taken again."""

import resource
import subprocess
import sys

_FAULTS = """
import resource
from healthvision.kernel.allocation import keep_freed_memory
kept = keep_freed_memory()
for _ in range(20):
    bytes(bytearray(4 << 20))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytes(bytearray(4 << 20))
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


class TestKeepFreedMemory:
    def test_large_buffers_reuse_memory_that_is_there(self) -> None:
        run = [sys.executable, "-c", _FAULTS]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        kept, faults = done.stdout.split()
        pages = 20 * 2 * (4 << 20) // resource.getpagesize()
        assert kept == "False" or int(faults) < pages // 10
