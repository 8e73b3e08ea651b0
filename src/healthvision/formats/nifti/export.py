# SPDX-License-Identifier: Apache-2.0
"""A Volume as a NIfTI-1 file."""

import gzip
from typing import Any

import nibabel as nib
import numpy as np

from healthvision.clinical.volume import Volume

_Image: Any = nib.Nifti1Image


def from_volume(series: Volume) -> bytes:
    """Return ``.nii.gz`` bytes: axes (i, j, k) = (x, y, z), sform and qform in RAS+ mm.

    Voxel values and type are kept (bool becomes uint8). The same volume gives the same bytes.
    """
    voxels = series.voxels.astype(np.uint8) if series.voxels.dtype == bool else series.voxels
    affine = np.eye(4)
    affine[:3, :3] = series.affine[:3, [2, 1, 0]]
    affine[:3, 3] = series.origin
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    image: Any = _Image(voxels.transpose(2, 1, 0), affine + 0.0, dtype=voxels.dtype)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    data: bytes = image.to_bytes()
    return gzip.compress(data, compresslevel=3, mtime=0)
