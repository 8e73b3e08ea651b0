# SPDX-License-Identifier: Apache-2.0
"""Where the voxels of a volume lie while it is read."""

import mmap
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from healthvision.formats.nifti import reading
from healthvision.formats.nifti.reading import read_nifti


def test_large_volumes_lie_in_a_file_and_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What expands far does not stay in memory; values and digest do not change."""
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image: Any = nib.Nifti1Image(values, np.eye(4))  # type: ignore[no-untyped-call]
    image.set_sform(image.affine, 1)
    data = bytes(image.to_bytes())
    small = read_nifti(data)
    monkeypatch.setattr(reading, "IN_MEMORY_BYTES", 10)
    large = read_nifti(data)
    assert isinstance(large.stored.base, mmap.mmap)
    assert np.array_equal(small.stored, large.stored) and small.sha256 == large.sha256
    assert np.array_equal(small.stored, values)
