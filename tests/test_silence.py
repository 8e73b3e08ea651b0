# SPDX-License-Identifier: Apache-2.0
"""No library of ours reports to its maker: nothing is prepared for it on this machine."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import healthvision.plugins.applications.chest_xray.network as network
network.session("lungs.onnx")
"""


def test_the_network_library_keeps_no_record_to_send(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, timeout=120)
    assert list(tmp_path.rglob("*")) == []
