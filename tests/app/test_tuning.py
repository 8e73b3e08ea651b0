# SPDX-License-Identifier: Apache-2.0
"""What a serving process does without: heavy libraries are loaded by their first use."""

import subprocess
import sys
from pathlib import Path

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

SERVING = """
import sys
from healthvision.app import tuning
tuning.load_later()
import healthvision.app.modules
heavy = {"highdicom", "_gdcm", "scipy.ndimage._filters", "SimpleITK.SimpleITK", "pypinyin"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
from pydicom.pixels.decoders import gdcm as decoder
assert decoder.gdcm.Tag(8, 16).GetGroup() == 8
version = sys.modules["gdcm"].Version.GetVersion()
assert version == ".".join(map(str, decoder.GDCM_VERSION))
from healthvision.formats.dicom import outputs
assert callable(outputs.sr.write_sr) and "highdicom" in sys.modules
"""

CROSSING = """
import sys, threading
from healthvision.app import tuning
sys.path.insert(0, sys.argv[1])
tuning._load_later("later_a"), tuning._load_later("later_b")
import later_a, later_b
uses = [threading.Thread(target=lambda m=m: m.name, daemon=True) for m in (later_a, later_b)]
[u.start() for u in uses]
[u.join(20) for u in uses]
assert not any(u.is_alive() for u in uses), "they wait for each other"
"""


class TestLoadLater:
    def test_the_rooms_and_doors_need_no_heavy_library_until_it_is_used(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", SERVING], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


class TestBeforeStart:
    def test_a_heavy_library_is_loaded_by_its_first_use(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def test_two_threads_that_load_each_others_modules_do_not_wait_for_ever(
        self, tmp_path: Path
    ) -> None:
        for name, other in (("later_a", "later_b"), ("later_b", "later_a")):
            text = (
                f"import time\ntime.sleep(0.2)\nimport {other}\nuse = {other}.__doc__\nname = 1\n"
            )
            (tmp_path / f"{name}.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", CROSSING, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
