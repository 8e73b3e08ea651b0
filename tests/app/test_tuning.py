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
