# SPDX-License-Identifier: Apache-2.0
"""What a serving process does without: heavy libraries are loaded by their first use."""

import subprocess
import sys

PROGRAM = """
import sys
from healthvision.app import tuning
tuning.before_start()
import healthvision.clinical.chest.candidates as candidates
assert not any(m.startswith("SimpleITK.") for m in sys.modules), "loaded by its import"
assert candidates.sitk.Image([2, 3], candidates.sitk.sitkUInt8).GetSize() == (2, 3)
assert any(m.startswith("SimpleITK.") for m in sys.modules)
tuning.after_start()
"""


class TestBeforeStart:
    def test_a_heavy_library_is_loaded_by_its_first_use(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
