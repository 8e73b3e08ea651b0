# SPDX-License-Identifier: Apache-2.0
"""The shared T1 template: whole-head, so its masks are of the head; no brain mask is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from healthvision.clinical.brain.pipeline import HeadReading, read_head
from healthvision.clinical.study import SeriesHeader
from healthvision.clinical.volume import Volume
from healthvision.formats.nifti.reading import read_nifti

TEMPLATE = (
    Path(os.environ.get("HV_SHARED", "/work/shared")) / "data/mri/templates/MNI152_T1_2mm.nii.gz"
)


def volume() -> Volume:
    """Return the template; array axes (i, j, k) are kept, the geometry says where they point."""
    found = read_nifti(TEMPLATE)
    steps = np.linalg.norm(found.affine[:3, :3], axis=0)
    origin = found.affine[:3, 3]
    return Volume(
        found.stored.astype(np.float32),
        (float(steps[0]), float(steps[1]), float(steps[2])),
        (float(origin[0]), float(origin[1]), float(origin[2])),
        found.affine[:3, :3] / steps,
    )


@pytest.mark.skipif(not TEMPLATE.exists(), reason="the shared data are not here")
def test_the_template_is_a_t1_with_a_brain_of_its_known_size() -> None:
    found = read_head(volume(), SeriesHeader("1", "1", "MR", "1", description="T1 template"))
    assert isinstance(found, HeadReading)
    assert found.sequence.contrast == "T1"
    assert 1740 < found.brain.ml < 1920
    assert found.plane is not None
    assert found.plane.correlation > 0.98
    assert found.atypical == ()
