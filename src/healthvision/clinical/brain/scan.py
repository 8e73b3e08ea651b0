# SPDX-License-Identifier: Apache-2.0
"""A head scan on its working grid, levelled: the common ground of all steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK

from healthvision.clinical.chest.grid import Float32, block_factors, block_mean
from healthvision.clinical.chest.orient import Oriented, orient
from healthvision.clinical.volume import BoolArray, FloatArray, Volume

sitk: Any = SimpleITK  # has no types

WORK_MM = 1.2


@dataclass(frozen=True, eq=False, slots=True)
class Scan:
    """``oriented``: the whole scan in axial order; ``work``: its block means, about 1.2 mm.

    ``work`` voxels are float32, scaled so that the 99th percentile of the head is 1.
    ``factors``: voxels (z, y, x) of ``oriented`` in one of ``work``. ``head``: bool, of ``work``.
    """

    oriented: Oriented
    work: Volume
    factors: tuple[int, int, int]
    head: BoolArray


def otsu(values: Float32) -> float:
    """Return the grey level that parts values best into two classes (Otsu 1979)."""
    counts, edges = np.histogram(values, 256)
    mids = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts)
    total, mean = weight[-1], np.cumsum(counts * mids)
    other = total - weight
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * weight / total - mean) ** 2 / (weight * other)
    return float(mids[int(np.nanargmax(np.where(other > 0, between, np.nan)))])


def prepare(volume: Volume) -> Scan | None:
    """Bring a volume onto the working grid; None when it holds no head (no contrast at all)."""
    oriented = orient(volume)
    factors = block_factors(oriented.volume.spacing, WORK_MM)
    coarse = block_mean(oriented.volume, factors)
    voxels = np.nan_to_num(coarse.voxels.astype(np.float32))
    voxels -= np.float32(min(0.0, float(voxels.min())))
    if float(voxels.max()) <= 0:
        return None
    cut = otsu(np.minimum(voxels, np.float32(np.percentile(voxels, 99.5)))[::2, ::2, ::2].ravel())
    head: BoolArray = voxels > 0.5 * cut
    if not 0.02 < float(head.mean()) < 0.98:
        return None
    scaled = voxels / np.float32(np.percentile(voxels[voxels > cut], 99))
    return Scan(oriented, coarse.like(scaled), factors, head)


def middle(head: BoolArray, spacing: tuple[float, float, float]) -> FloatArray:
    """Return the index (z, y, x) where the brain's middle must be: 75 mm below the crown."""
    area = head.sum(axis=(1, 2)) * spacing[1] * spacing[2]
    top = int(np.flatnonzero(area > min(3000.0, 0.3 * float(area.max())))[-1])
    low = max(0, round(top - 110 / spacing[0]))
    place = np.argwhere(head[low : top + 1]).mean(axis=0)
    return np.array([max(top - 75 / spacing[0], (low + top) / 2), place[1], place[2]])


def level_bias(work: Volume, mask: BoolArray, *, shrink_mm: float = 6.0) -> Float32:
    """Return the voxels without the slow coil field (N4, Tustison 2010), estimated in ``mask``.

    The field is estimated on a grid of about ``shrink_mm`` and has mean 1 inside the mask.
    """
    image = sitk.GetImageFromArray(work.voxels)
    image.SetSpacing(work.spacing[::-1])
    flag = sitk.GetImageFromArray(mask.astype(np.uint8))
    flag.CopyInformation(image)
    steps = [max(1, round(shrink_mm / s)) for s in work.spacing[::-1]]
    small, small_flag = sitk.Shrink(image, steps), sitk.Shrink(flag, steps)
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations([15, 12, 8])
    filter_.SetNumberOfThreads(2)
    filter_.SetNumberOfControlPoints([4, 4, 4])
    filter_.Execute(sitk.Cast(small, sitk.sitkFloat32) + 1e-4, small_flag)
    log_field = sitk.GetArrayFromImage(filter_.GetLogBiasFieldAsImage(image))
    log_field = np.clip(log_field - float(log_field[mask].mean()), -1.0, 1.0)
    out: Float32 = (work.voxels * np.exp(-log_field)).astype(np.float32)
    return out
