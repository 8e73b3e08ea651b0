# SPDX-License-Identifier: Apache-2.0
"""Changes of a volume under which a measurement must stay the same, or fall in a known way.

Each change is a function Volume -> Volume that keeps every voxel at its true place in the patient;
only ``mislabelled_flip`` lies on purpose. ``under`` turns a measurement into its results.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from scipy import ndimage

from healthvision.clinical.volume import Volume

Change = Callable[[Volume], Volume]
T = TypeVar("T")


def spacing(wanted: tuple[float, float, float]) -> Change:
    """Resample to voxels of ``wanted`` mm (z, y, x), linear; averages first when coarser."""

    def change(volume: Volume) -> Volume:
        ratio = np.array(wanted) / np.array(volume.spacing)
        blur = [0.4 * r if r > 1.05 else 0.0 for r in ratio]
        voxels = ndimage.gaussian_filter(volume.voxels.astype(np.float32), blur)
        shape = [max(1, int((n - 1) / r) + 1) for n, r in zip(volume.shape, ratio, strict=True)]
        moved = ndimage.affine_transform(voxels, ratio, output_shape=tuple(shape), order=1)
        return Volume(moved, wanted, volume.origin, volume.direction)

    return change


def reorder(order: tuple[int, int, int]) -> Change:
    """Store the axes in another order, e.g. (2, 0, 1) for a sagittal stack."""

    def change(volume: Volume) -> Volume:
        s = volume.spacing
        return Volume(
            np.ascontiguousarray(volume.voxels.transpose(order)),
            (s[order[0]], s[order[1]], s[order[2]]),
            volume.origin,
            volume.direction[:, list(order)],
        )

    return change


def flip(*axes: int) -> Change:
    """Store axes backwards, with the geometry that says so."""

    def change(volume: Volume) -> Volume:
        corner = [volume.shape[i] - 1 if i in axes else 0 for i in range(3)]
        signs = np.array([-1.0 if i in axes else 1.0 for i in range(3)])
        voxels = np.ascontiguousarray(np.flip(volume.voxels, axes))
        return Volume(voxels, volume.spacing, volume.to_lps(corner), volume.direction * signs)

    return change


def mislabelled_flip(axis: int) -> Change:
    """Turn the picture over and leave the geometry as it was: left becomes right, a false label."""

    def change(volume: Volume) -> Volume:
        return volume.like(np.ascontiguousarray(np.flip(volume.voxels, axis)))

    return change


def crop(low: tuple[int, int, int], high: tuple[int, int, int]) -> Change:
    """Cut ``low`` voxels off the starts and ``high`` off the ends of the axes (z, y, x).

    Raises ValueError when nothing would be left.
    """

    def change(volume: Volume) -> Volume:
        cut = tuple(slice(a, n - b) for a, b, n in zip(low, high, volume.shape, strict=True))
        part = np.ascontiguousarray(volume.voxels[cut])
        if part.size == 0:
            raise ValueError("crop: nothing is left")
        return Volume(part, volume.spacing, volume.to_lps(low), volume.direction)

    return change


def offset(value: float) -> Change:
    """Add a constant, e.g. 30 HU of a scanner out of calibration."""

    def change(volume: Volume) -> Volume:
        moved = volume.voxels.astype(np.float32) + np.float32(value)
        if np.issubdtype(volume.voxels.dtype, np.integer):
            limits = np.iinfo(volume.voxels.dtype)
            moved = np.clip(np.rint(moved), limits.min, limits.max)
        return volume.like(moved.astype(volume.voxels.dtype))

    return change


def scale(factor: float) -> Change:
    """Multiply by a constant, e.g. another receiver gain of an MR scanner."""

    def change(volume: Volume) -> Volume:
        return volume.like((volume.voxels.astype(np.float32) * factor).astype(np.float32))

    return change


def noise(sd: float, seed: int = 0) -> Change:
    """Add white noise of a standard deviation in the volume's own units."""

    def change(volume: Volume) -> Volume:
        rng = np.random.default_rng(seed)
        added = volume.voxels + rng.standard_normal(volume.shape, dtype=np.float32) * np.float32(sd)
        if np.issubdtype(volume.voxels.dtype, np.integer):
            added = np.rint(added)
        return volume.like(added.astype(volume.voxels.dtype))

    return change


def drop_slices(every: int) -> Change:
    """Keep each ``every``-th slice along axis z and say so in the spacing (thick gaps).

    Raises ValueError when fewer than two slices would be left.
    """

    def change(volume: Volume) -> Volume:
        kept = np.ascontiguousarray(volume.voxels[::every])
        if kept.shape[0] < 2:
            raise ValueError("drop_slices: fewer than two slices are left")
        z, y, x = volume.spacing
        return Volume(kept, (z * every, y, x), volume.origin, volume.direction)

    return change


STANDARD: Mapping[str, Change] = {
    "flip-z": flip(0),
    "flip-x": flip(2),
    "sagittal": reorder((2, 0, 1)),
    "coronal": reorder((1, 0, 2)),
    "thin-crop": crop((1, 1, 1), (1, 1, 1)),
}
"""Changes under which everything about the patient stays the same but rounding."""


def under(
    changes: Mapping[str, Change], volume: Volume, measure: Callable[[Volume], T]
) -> dict[str, T]:
    """Return the measurement of each changed volume, by the name of the change."""
    return {name: measure(change(volume)) for name, change in changes.items()}
