# SPDX-License-Identifier: Apache-2.0
"""Bright blobs in the lungs: Laplacian of Gaussian over scales, local maxima, Hessian shape.

Clinical notes, section 1: blobs of 3-30 mm, with what surrounds the lungs replaced by lung.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from scipy import ndimage

from healthvision.clinical.chest.grid import Float32, bounding_box, distance_mm
from healthvision.clinical.chest.lungs import Lungs
from healthvision.clinical.volume import Array, BoolArray, FloatArray, Volume

sitk: Any = SimpleITK  # has no types

FINE_SIGMAS = (1.4, 2.0)
BROAD_SIGMAS = (2.8, 4.0, 5.6, 7.5, 10.0)
LEAST_RESPONSE = 60.0
ROUND = 0.12


@dataclass(frozen=True, eq=False, slots=True)
class Workspace:
    """Lungs resampled to 1 mm cubes.

    ``iso``: float32 HU (z, y, x); ``filled``: the same with lung tissue outside the lungs;
    ``labels``: uint8 lung sides; ``depth``: mm below the lung surface; ``tissue``: HU of lung;
    ``noise``: sd of HU in the original voxels; ``slice_mm``: original slice spacing.
    """

    iso: Volume
    filled: Float32
    labels: Array
    depth: Float32
    tissue: float
    noise: float
    slice_mm: float


@dataclass(frozen=True, slots=True)
class Blob:
    """One maximum: index (z, y, x) in the workspace, scale in mm, response and Hessian ratios."""

    index: tuple[int, int, int]
    sigma: float
    response: float
    roundness: float  # smallest by largest Hessian eigenvalue, 1 for a ball, 0 for a tube
    flatness: float  # middle by largest


def _resample(
    voxels: Array, spacing: tuple[float, float, float], shape: tuple[int, int, int], *, linear: bool
) -> Array:
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing(spacing[::-1])
    grid = sitk.Image([shape[2], shape[1], shape[0]], sitk.sitkUInt8)
    how = sitk.sitkLinear if linear else sitk.sitkNearestNeighbor
    kind = sitk.sitkFloat32 if linear else sitk.sitkUInt8
    out = sitk.Resample(image, grid, sitk.Transform(), how, -1000.0 if linear else 0, kind)
    array: Array = sitk.GetArrayFromImage(out)
    return array


def workspace(volume: Volume, lungs: Lungs, noise: float) -> Workspace:
    """Cut out the lungs, resample them to 1 mm and fill what surrounds them with lung tissue."""
    margin = tuple(max(1, round(4 / s)) for s in volume.spacing)
    box = bounding_box(lungs.labels > 0, (margin[0], margin[1], margin[2]))
    cut = volume.voxels[box]
    size = [round((n - 1) * s) + 1 for n, s in zip(cut.shape, volume.spacing, strict=True)]
    shape = (size[0], size[1], size[2])
    iso = _resample(cut, volume.spacing, shape, linear=True)
    labels = _resample(lungs.labels[box], volume.spacing, shape, linear=False)
    inside = labels > 0
    sample = iso[::4, ::4, ::4][inside[::4, ::4, ::4]]
    tissue = float(np.median(sample)) if sample.size else -850.0
    filled = np.where(inside, iso, np.float32(tissue))
    np.clip(filled, -1000, 200, out=filled)
    corner = volume.to_lps([float(s.start) for s in box])
    return Workspace(
        iso=Volume(iso, (1.0, 1.0, 1.0), corner, volume.direction),
        filled=filled,
        labels=labels,
        depth=distance_mm(~inside, (1.0, 1.0, 1.0)),
        tissue=tissue,
        noise=noise,
        slice_mm=volume.spacing[0],
    )


def _log(voxels: Float32, spacing: float, sigma: float) -> Float32:
    """Return the scale-normalised negative Laplacian of Gaussian, HU."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([spacing] * 3)
    field: Float32 = sitk.GetArrayFromImage(sitk.LaplacianRecursiveGaussian(image, sigma))
    field *= np.float32(-(sigma**2))
    return field


def _maxima(field: Float32, inside: BoolArray) -> Array:
    """Return indices (n, 3) of maxima over 5 voxels that exceed the least response."""
    strong = field > LEAST_RESPONSE
    strong &= inside
    strong &= field >= ndimage.maximum_filter(field, size=3)
    where = np.argwhere(strong)
    keep = []
    for z, y, x in where:
        around = field[max(0, z - 2) : z + 3, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        if field[z, y, x] >= around.max():
            keep.append((z, y, x))
    return np.array(keep, dtype=int).reshape(-1, 3)


def _eigenvalues(field: Float32, at: Array, step: int) -> FloatArray:
    """Return Hessian eigenvalues (n, 3) of a smooth field, sorted by magnitude, largest last."""
    padded = np.pad(field, step, mode="edge")
    p = at + step

    def f(dz: int, dy: int, dx: int) -> FloatArray:
        out: FloatArray = padded[p[:, 0] + dz, p[:, 1] + dy, p[:, 2] + dx].astype(np.float64)
        return out

    unit = np.eye(3, dtype=int) * step
    hessian = np.empty((len(at), 3, 3))
    for i in range(3):
        hessian[:, i, i] = f(*unit[i]) - 2 * f(0, 0, 0) + f(*-unit[i])
        for j in range(i):
            cross = f(*(unit[i] + unit[j])) + f(*-(unit[i] + unit[j]))
            cross -= f(*(unit[i] - unit[j])) + f(*(unit[j] - unit[i]))
            hessian[:, i, j] = hessian[:, j, i] = cross / 4
    values = np.linalg.eigvalsh(hessian)
    order = np.argsort(np.abs(values), axis=1)
    out: FloatArray = np.take_along_axis(np.asarray(values, np.float64), order, axis=1)
    return out


def _smoothed(voxels: Float32, spacing: float, sigma: float) -> Float32:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([spacing] * 3)
    out: Float32 = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image, sigma))
    return out


def _at_scale(voxels: Float32, inside: BoolArray, spacing: int, sigma: float) -> list[Blob]:
    field = _log(voxels, float(spacing), sigma)
    at = _maxima(field, inside)
    if not len(at):
        return []
    values = _eigenvalues(
        _smoothed(voxels, float(spacing), sigma), at, max(1, round(sigma / spacing / 1.5))
    )
    blobs = []
    for (z, y, x), (least, middle, most) in zip(at, values, strict=True):
        if most >= 0 or least >= 0 or least / most < ROUND:
            continue
        index = (int(z) * spacing, int(y) * spacing, int(x) * spacing)
        blobs.append(
            Blob(index, sigma, float(field[z, y, x]), float(least / most), float(middle / most))
        )
    return blobs


def find_blobs(space: Workspace, *, most: int = 400) -> list[Blob]:
    """Return blobs over all scales, strongest first; near duplicates are dropped."""
    inside = space.labels > 0
    blobs: list[Blob] = []
    for sigma in FINE_SIGMAS:
        blobs += _at_scale(space.filled, inside, 1, sigma)
    half = np.ascontiguousarray(_smoothed(space.filled, 1.0, 0.8)[::2, ::2, ::2])
    for sigma in BROAD_SIGMAS:
        blobs += _at_scale(half, inside[::2, ::2, ::2], 2, sigma)
    blobs.sort(key=lambda b: -b.response * b.roundness**0.5)
    kept: list[Blob] = []
    places = np.empty((0, 3))
    reach = np.empty(0)
    for blob in blobs:
        at = np.array(blob.index, float)
        if len(kept) and np.any(np.linalg.norm(places - at, axis=1) < reach):
            continue
        kept.append(blob)
        places = np.vstack([places, at])
        reach = np.append(reach, max(2.0, 1.3 * blob.sigma))
        if len(kept) >= most:
            break
    return kept
