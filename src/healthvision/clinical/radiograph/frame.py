# SPDX-License-Identifier: Apache-2.0
"""The square picture that the networks see, and the way back to the film."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from healthvision.clinical.volume import Array, FloatArray

SIDE = 256


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """A film fitted into SIDE x SIDE without distortion.

    ``pixels``: float32 (SIDE, SIDE), 0 dark to 1 bright, 0 in the padding. ``rows``, ``columns``:
    size of the film inside; ``top``, ``left``: its corner; ``shape``: of the film.
    """

    pixels: Array
    top: int
    left: int
    rows: int
    columns: int
    shape: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the film per pixel of the frame."""
        return max(self.shape) / SIDE

    def back(self, square: Array) -> FloatArray:
        """Return a (SIDE, SIDE) map on the film's own pixels, bilinear."""
        inner = square[self.top : self.top + self.rows, self.left : self.left + self.columns]
        image = Image.fromarray(np.ascontiguousarray(inner, np.float32))
        large = image.resize((self.shape[1], self.shape[0]), Image.Resampling.BILINEAR)
        return np.asarray(large, np.float64)

    def inside(self) -> Array:
        """Return bool (SIDE, SIDE): True where the film is."""
        out = np.zeros((SIDE, SIDE), bool)
        out[self.top : self.top + self.rows, self.left : self.left + self.columns] = True
        return out

    def to_film(self, row: float, column: float) -> tuple[float, float]:
        """Return the place on the film (row, column) of a place in the frame."""
        return (
            (row - self.top + 0.5) * self.shape[0] / self.rows - 0.5,
            (column - self.left + 0.5) * self.shape[1] / self.columns - 0.5,
        )


def stretched(film: Array) -> Array:
    """Return greys as float32 0..1 between the 0.5 and 99.5 percentiles; flat films give 0."""
    grey = np.asarray(film, np.float32)
    step = max(1, grey.size // 200_000)
    low, high = np.percentile(grey.ravel()[::step], [0.5, 99.5])
    if not high > low:
        return np.zeros_like(grey)
    out: Array = np.clip((grey - low) / (high - low), 0.0, 1.0)
    return out


def fit(film: Array) -> Frame:
    """Fit a film (rows, columns) of any grey scale into a frame, long side SIDE, centred."""
    grey = stretched(film)
    height, width = grey.shape
    factor = SIDE / max(height, width)
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    small = Image.fromarray(grey).resize((columns, rows), Image.Resampling.BILINEAR)
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    pixels = np.zeros((SIDE, SIDE), np.float32)
    pixels[top : top + rows, left : left + columns] = np.asarray(small)
    return Frame(pixels, top, left, rows, columns, (height, width))
