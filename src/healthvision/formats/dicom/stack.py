# SPDX-License-Identifier: Apache-2.0
"""Slices into one array, one at a time: rescale, tilt, interpolation, smallest exact type."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.geometry import FramePlace
from healthvision.formats.dicom.grid import Grid
from healthvision.formats.dicom.header import InstanceHeader

Load = Callable[[], tuple[FramePlace, InstanceHeader, Array]]

_INT16 = np.iinfo(np.int16)


class StackFiller:
    """Fills the voxels of a grid; keeps at most two decoded slices besides the result.

    ``inverted`` says after ``run`` whether MONOCHROME1 projections were turned round.
    """

    def __init__(self, grid: Grid, loads: Sequence[Load]) -> None:
        self._grid = grid
        self._loads = loads
        self._out: Array = np.empty(grid.shape, np.int16)
        self._kept: dict[int, Array] = {}
        self.inverted = False

    def run(self) -> Array:
        """Return the voxels: int16 when every value is a whole number in range, else float32."""
        for index, (low, high, weight) in enumerate(self._grid.sources):
            values = self._slice(low)
            if high != low:
                other = self._slice(high)
                mixed = (1 - weight) * values.astype(np.float64) + weight * other
                values = np.rint(mixed) if values.dtype.kind == "i" else mixed
            self._store(index, values)
            self._kept = {k: v for k, v in self._kept.items() if k >= low}
        return self._out

    def _store(self, index: int, values: Array) -> None:
        if self._out.dtype == np.int16 and not _fits(values):
            self._out = self._out.astype(np.float32)
        self._out[index] = values

    def _slice(self, index: int) -> Array:
        if index not in self._kept:
            place, header, pixels = self._loads[index]()
            self._kept[index] = self._shifted(index, self._modality(place, header, pixels), header)
        return self._kept[index]

    def _modality(self, place: FramePlace, header: InstanceHeader, pixels: Array) -> Array:
        """Apply rescale slope and intercept (PS3.3 C.11.1.1.2); colour becomes luminance."""
        if pixels.ndim == 3:
            weights = np.array([0.299, 0.587, 0.114])
            pixels = np.rint(pixels[..., :3] @ weights).astype(np.int64)
        if place.position is None and header.photometric_interpretation == "MONOCHROME1":
            self.inverted = True
            top = (1 << (header.bits_stored or header.bits_allocated or 8)) - 1
            pixels = top - pixels.astype(np.int64)
        if place.slope == 1 and place.intercept == 0:
            return pixels
        if place.slope.is_integer() and place.intercept.is_integer() and pixels.dtype.kind in "iu":
            return pixels.astype(np.int64) * int(place.slope) + int(place.intercept)
        return pixels.astype(np.float64) * place.slope + place.intercept

    def _shifted(self, index: int, values: Array, header: InstanceHeader) -> Array:
        """Move a tilted slice into the upright grid; what comes in from outside is air."""
        rows, columns = self._grid.shifts[index]
        if rows == 0 and columns == 0:
            return values
        outside = -1024.0 if header.modality == "CT" else float(values.min())
        moved = ndimage.shift(
            values.astype(np.float64), (rows, columns), order=1, mode="constant", cval=outside
        )
        return np.rint(moved).astype(np.int64) if values.dtype.kind in "iu" else moved


def _fits(values: Array) -> bool:
    """Return whether int16 holds every value exactly."""
    if values.dtype == np.int16 or values.dtype in (np.uint8, np.int8):
        return True
    low, high = float(values.min()), float(values.max())
    if not (_INT16.min <= low and high <= _INT16.max):
        return False
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
