# SPDX-License-Identifier: Apache-2.0
"""The first thing in the sandbox's process: raise the walls, only then load libraries.

Started by ``kernel.sandbox`` as ``python -I -m healthvision.kernel.sandbox_boot``; reads one line
of JSON from standard input, and behind the walls of the network waits for the end of that input. It
imports the standard library and ``confinement`` only: a library such as numpy starts threads when
it is loaded, and a thread that is there before the walls stays outside of them. The first progress
line is its own: the number of the network namespace.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from healthvision.kernel import confinement

EXIT_NETWORK = 78  # as in ``sandbox_child``, which must not be loaded yet
EXIT_ORPHANED = 70


def main() -> int:
    """Run one order; returns the exit code, see ``sandbox_child``."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    confinement.die_with_parent()
    if os.getppid() != order["parent"]:
        return EXIT_ORPHANED  # the parent died before the death signal was set
    if not order["network"]:
        if not confinement.cut_network():
            return EXIT_NETWORK
        line = json.dumps({"network_id": confinement.network_id()})
        os.write(order["progress"], line.encode() + b"\n")
        sys.stdin.buffer.read()  # the parent keeps the namespace, so that its number stays ours
        confinement.limit_processes(order["limits"]["processes"])
    confinement.limit(order["limits"])
    sys.path.extend(path for path in order["path"] if path not in sys.path)
    confinement.confine_files(Path(order["folder"]), sys.path)
    if not order["network"]:
        confinement.confine_calls()
    code: int = importlib.import_module("healthvision.kernel.sandbox_child").work(order)
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # no destructor of a library delays or changes the outcome
