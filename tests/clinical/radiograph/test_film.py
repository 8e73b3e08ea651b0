# SPDX-License-Identifier: Apache-2.0
"""Turning films upright, the frame, and what an orientation says."""

import numpy as np
import pytest

from healthvision.clinical.radiograph.film import turn_of
from healthvision.clinical.radiograph.frame import SIDE, fit


class TestTurnOf:
    @pytest.mark.parametrize("orientation", ["L\\F", "R\\F", "L\\H", "R\\H", "F\\L", "H\\R"])
    def test_back_undoes_upright(self, orientation: str) -> None:
        stored = np.arange(12).reshape(3, 4)
        turn = turn_of(orientation)
        assert turn.kind == "frontal"
        assert np.array_equal(turn.back(turn.upright(stored)), stored)

    def test_rows_that_run_to_the_right_are_mirrored(self) -> None:
        stored = np.array([[1, 2], [3, 4]])
        assert turn_of("R\\F").upright(stored).tolist() == [[2, 1], [4, 3]]

    def test_a_film_stored_on_its_side_is_turned(self) -> None:
        upright = np.arange(6).reshape(2, 3)
        assert np.array_equal(turn_of("F\\L").upright(upright.T), upright)

    @pytest.mark.parametrize(
        ("orientation", "kind"),
        [("A\\F", "lateral"), ("P\\F", "lateral"), ("", "unknown"), ("L\\L", "unknown")],
    )
    def test_lateral_and_unknown_are_told(self, orientation: str, kind: str) -> None:
        assert turn_of(orientation).kind == kind


class TestFit:
    def test_a_mask_comes_back_to_its_place_on_the_film(self) -> None:
        film = np.zeros((300, 500), np.float32)
        film[100:200, 50:150] = 1.0
        frame = fit(film)
        assert frame.pixels.shape == (SIDE, SIDE)
        back = frame.back(frame.pixels) > 0.5
        wrong = np.count_nonzero(back != (film > 0.5))
        assert wrong < 0.03 * film.sum()

    def test_a_flat_film_gives_zeros(self) -> None:
        assert not fit(np.full((200, 200), 7)).pixels.any()
