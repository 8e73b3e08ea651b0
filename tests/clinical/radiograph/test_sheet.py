# SPDX-License-Identifier: Apache-2.0
"""Lungs laid flat: nothing but lung comes along, places are kept, and the way back."""

import numpy as np

from healthvision.clinical.radiograph.frame import SIDE
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.sheet import COLUMNS, ROWS, lay_flat
from healthvision.clinical.volume import Array


def fields(*, top: int = 40, wide: int = 70, height: int = 150) -> LungFields:
    """Return two slanting lungs."""
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = (y >= top) & (y < top + height)
    slant = (y - top) // 10
    left = inside & (x >= 110 - wide - slant) & (x < 110)
    right = inside & (x >= 146) & (x < 146 + wide + slant)
    return LungFields(left, right, certainty=1, edge=0, tilt=0, fill=1, balance=1)


def greys(lungs: LungFields) -> Array:
    """Return a frame that rises from the ribs to the middle inside the lungs and is noise else."""
    x = np.broadcast_to(np.arange(SIDE), (SIDE, SIDE))
    towards = np.where(x < SIDE // 2, x, SIDE - 1 - x) / (SIDE // 2)
    noise = np.random.default_rng(1).random((SIDE, SIDE))
    return np.where(lungs.both, towards, noise).astype(np.float32)


class TestLayFlat:
    def test_both_lungs_run_from_the_ribs_to_the_middle(self) -> None:
        sheet = lay_flat(greys(fields()), fields())
        assert sheet.greys.shape == (2, ROWS, COLUMNS)
        across = sheet.greys[:, 8:-8].mean(axis=1)
        assert (np.diff(across[:, 3:-3], axis=1) > 0).all()

    def test_what_lies_outside_the_lungs_changes_nothing(self) -> None:
        lungs = fields()
        film = greys(lungs)
        near = np.zeros_like(lungs.both)
        for dy in range(-3, 4):
            for dx in range(-3, 4):
                near |= np.roll(lungs.both, (dy, dx), axis=(0, 1))
        other = np.where(near, film, 1 - film)
        assert np.array_equal(lay_flat(film, lungs).greys, lay_flat(other, lungs).greys)

    def test_size_and_place_of_the_lungs_do_not_show(self) -> None:
        """Two chests with the same rise inside lungs of different size give nearly one sheet."""
        found = []
        for lungs in (fields(), fields(top=60, wide=50, height=110)):
            rows = np.broadcast_to(np.arange(SIDE)[:, None], (SIDE, SIDE))
            used = np.flatnonzero(lungs.both.any(axis=1))
            film = np.clip((rows - used[0]) / (used[-1] - used[0]), 0, 1)
            found.append(lay_flat(film.astype(np.float32), lungs).greys)
        assert np.abs(found[0] - found[1]).max() < 0.03

    def test_brightness_and_contrast_drop_out(self) -> None:
        film = greys(fields())
        dimmed = lay_flat(0.3 + 0.4 * film, fields()).greys
        assert np.abs(lay_flat(film, fields()).greys - dimmed).max() < 1e-3


class TestBack:
    def test_a_place_of_the_sheet_comes_back_where_it_was_taken(self) -> None:
        lungs = fields()
        sheet = lay_flat(greys(lungs), lungs)
        values = np.zeros((2, 12, 8))
        values[1, 10, 1] = 1.0  # low in the lung on the picture's right, near the ribs
        frame = sheet.back(values, lungs)
        assert np.array_equal(np.isnan(frame), ~lungs.both)
        row, column = np.unravel_index(np.nanargmax(frame), frame.shape)
        assert abs(row - sheet.rows[1, 84, 12]) < 8
        assert abs(column - sheet.columns[1, 84, 12]) < 8
        assert column > SIDE / 2
