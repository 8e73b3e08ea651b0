# SPDX-License-Identifier: Apache-2.0
"""How the C library keeps memory that a serving process frees and takes again all the time."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of mallopt(3)
KEPT_BYTES = 64 << 20  # free memory at the end of an arena that is not given back at once
LARGEST = 32 << 20  # bytes of an allocation that comes from an arena; glibc allows no more
ARENAS = 2  # each keeps its own free memory; the default is eight for each core


def keep_freed_memory() -> bool:
    """Have large buffers reuse memory that is there; False where the C library cannot be told.

    Each answer with pixels takes buffers of some MiB. Given back to the system and taken again,
    every 4 KiB of them costs a page fault, which is more than reading and decrypting them.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:  # not glibc
        return False
    wanted = ((_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, KEPT_BYTES), (_ARENA_MAX, ARENAS))
    return all([tune(name, value) == 1 for name, value in wanted])
