# SPDX-License-Identifier: Apache-2.0
"""How the interpreter runs in a process that serves: set once, before and after its start.

Measured with senders on a busy machine: looking through all that the start left in memory doubled
the processor time of an object (the collector's work grows with what is alive), and a thread that
computes keeps each hand-over between threads waiting for the switch interval: an object on its way
in takes the interpreter some fifty times, after each piece of network, digest, cipher, disk and
database.
"""

import ctypes
import gc
import importlib
import importlib.metadata
import importlib.util
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

SWITCH_S = 0.0001  # the default is 5 ms
THRESHOLDS = (20_000, 20, 20)  # objects made before the collector looks; the default is 700
LATER = (  # what no request needs: analyses run in processes of their own
    "SimpleITK",  # 76 MB
    "scipy.ndimage",  # 15 MB
    "healthvision.formats.dicom.seg",  # highdicom, with both 19 MB
    "healthvision.formats.dicom.sr",
)
_HANDLER = "pydicom.pixel_data_handlers.gdcm_handler"  # of old; it takes gdcm apart when loaded
_loading = threading.RLock()


def load_later() -> None:
    """Have heavy libraries loaded by their first use; before anything that imports them."""
    for name in LATER:
        _load_later(name)
    if "pydicom" not in sys.modules and _load_later("gdcm"):  # 18 MB, for pydicom
        version = importlib.metadata.version("python-gdcm")  # asked for at pydicom's import
        sys.modules["gdcm"].__dict__["Version"] = SimpleNamespace(GetVersion=lambda: version)
        sys.modules[_HANDLER] = _Later(_HANDLER)


def before_start() -> None:
    """Set how threads take turns, and load less; before threads start and plugins are loaded."""
    sys.setswitchinterval(SWITCH_S)
    load_later()


class _Later(ModuleType):
    """Stands for a library until one of its names is used (``LazyLoader`` ends at the import)."""

    def __getattr__(self, name: str) -> Any:
        """Load the library."""
        with _loading:  # not around the import: it takes locks of its own
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _load_later(name: str) -> bool:
    """Have a module loaded by its first use instead of its import; False: it is, or is none."""
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None:
        return False
    sys.modules[name] = later = _Later(name)
    later.__spec__ = spec  # for those who only ask whether it is there
    return True


def after_start() -> None:
    """Leave what lives as long as the process out of the collector's work; give memory back."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
