# SPDX-License-Identifier: Apache-2.0
"""Coarse copies of a volume by block means, and morphology in millimetres."""

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from healthvision.clinical.volume import Array, BoolArray, Volume

sitk: Any = SimpleITK  # has no types

Float32 = npt.NDArray[np.float32]


def block_factors(spacing: tuple[float, float, float], wanted_mm: float) -> tuple[int, int, int]:
    """Return how many voxels (z, y, x) make a block of about ``wanted_mm``, at least one."""
    z, y, x = (max(1, round(wanted_mm / s)) for s in spacing)
    return z, y, x


def block_mean(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    """Return means over blocks (z, y, x) as float32; an incomplete last block is padded by edges.

    The result lies in the same place: its origin is the centre of the first block.
    """
    fz, fy, fx = factors
    nz, ny, nx = (-(-n // f) for n, f in zip(volume.shape, factors, strict=True))
    out = np.empty((nz, ny, nx), np.float32)
    pad = ((0, ny * fy - volume.shape[1]), (0, nx * fx - volume.shape[2]))
    for k in range(nz):
        part = volume.voxels[k * fz : (k + 1) * fz].mean(axis=0, dtype=np.float32)
        part = np.pad(part, pad, mode="edge")
        out[k] = part.reshape(ny, fy, nx, fx).mean(axis=(1, 3))
    spacing = tuple(s * f for s, f in zip(volume.spacing, factors, strict=True))
    origin = volume.to_lps([(f - 1) / 2 for f in factors])
    return Volume(out, (spacing[0], spacing[1], spacing[2]), origin, volume.direction)


def repeat_blocks(blocks: Array, factors: tuple[int, int, int], shape: tuple[int, ...]) -> Array:
    """Return every block value at each of its voxels, cut to ``shape`` (z, y, x)."""
    out = blocks
    for axis, factor in enumerate(factors):
        if factor > 1:
            out = np.repeat(out, factor, axis=axis)
    return out[: shape[0], : shape[1], : shape[2]]


def distance_mm(mask: BoolArray, spacing: tuple[float, float, float]) -> Float32:
    """Return the distance in mm from each voxel (z, y, x) to the mask; 0 inside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    field = sitk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    out: Float32 = sitk.GetArrayFromImage(field)
    return np.maximum(out, np.float32(0))


def close_mm(mask: BoolArray, spacing: tuple[float, float, float], radius: float) -> BoolArray:
    """Close gaps narrower than two radii (mm) with a ball, with room around the mask."""
    pad = [int(radius / s) + 2 for s in spacing]
    room = np.pad(mask, [(p, p) for p in pad])
    grown = distance_mm(room, spacing) <= radius
    closed = distance_mm(~grown, spacing) > radius
    z, y, x = (slice(p, p + n) for p, n in zip(pad, mask.shape, strict=True))
    out: BoolArray = closed[z, y, x] | mask
    return out


def open_mm(mask: BoolArray, spacing: tuple[float, float, float], radius: float) -> BoolArray:
    """Remove parts thinner than two radii (mm) with a ball."""
    kept = distance_mm(~mask, spacing) > radius
    if not kept.any():
        return kept
    out: BoolArray = (distance_mm(kept, spacing) <= radius) & mask
    return out


def bounding_box(
    mask: BoolArray, margin: tuple[int, int, int] = (0, 0, 0)
) -> tuple[slice, slice, slice]:
    """Return the index box (z, y, x) of a mask that is not empty, widened by ``margin`` voxels."""
    out = []
    for axis in range(3):
        others = tuple(i for i in range(3) if i != axis)
        where = np.flatnonzero(mask.any(axis=others))
        out.append(
            slice(
                max(0, int(where[0]) - margin[axis]),
                min(mask.shape[axis], int(where[-1]) + 1 + margin[axis]),
            )
        )
    return out[0], out[1], out[2]
