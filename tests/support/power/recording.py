# SPDX-License-Identifier: Apache-2.0
"""Builds the recorder and says how a process is started under it."""

import subprocess
from pathlib import Path

from tests.support.services import program

SOURCE = Path(__file__).with_name("recorder.c")


def recorder(root: Path, folder: Path) -> tuple[dict[str, str], Path]:
    """Return the environment that records what happens below ``root``, and the record's path.

    Skips (fails with CI=true) without a C compiler.
    """
    library, log = folder / "recorder.so", folder / "record"
    command = [program("gcc"), "-O2", "-fPIC", "-shared", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    log.touch()
    environment = {
        "LD_PRELOAD": str(library),
        "HV_RECORD_ROOT": str(root.resolve()),
        "HV_RECORD_LOG": str(log),
    }
    return environment, log
