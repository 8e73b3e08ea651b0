# SPDX-License-Identifier: Apache-2.0
"""How the interpreter runs in a process that serves: set once, before and after its start.

Measured with senders on a busy machine: looking through all that the start left in memory doubled
the processor time of an object (the collector's work grows with what is alive), and a thread that
computes keeps each hand-over between threads waiting for the switch interval.
"""

import ctypes
import gc
import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

SWITCH_S = 0.0005  # the default is 5 ms
THRESHOLDS = (20_000, 20, 20)  # objects made before the collector looks; the default is 700
LATER = ("SimpleITK",)  # 76 MB that only analyses use, and those run in processes of their own
_loading = threading.RLock()


def before_start() -> None:
    """Set how threads take turns, and load less; before threads start and plugins are loaded."""
    sys.setswitchinterval(SWITCH_S)
    for name in LATER:
        _load_later(name)


class _Later(ModuleType):
    """Stands for a library until one of its names is used (``LazyLoader`` ends at the import)."""

    def __getattr__(self, name: str) -> Any:
        """Load the library."""
        with _loading:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                importlib.import_module(self.__name__)
        return getattr(sys.modules[self.__name__], name)


def _load_later(name: str) -> None:
    """Have a library loaded by its first use instead of its import."""
    if name not in sys.modules and importlib.util.find_spec(name) is not None:
        sys.modules[name] = _Later(name)


def after_start() -> None:
    """Leave what lives as long as the process out of the collector's work; give memory back."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
