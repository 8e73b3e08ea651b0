# SPDX-License-Identifier: Apache-2.0
"""The view a caller states: it fills a gap, and changes neither the choice nor a header."""

import numpy as np
import pytest

from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.clinical.volume import Volume
from healthvision.domains.modelhub.ports import StudyInput
from healthvision.plugins.applications.chest_xray.series import Choice, choose, view_of
from healthvision.plugins.applications.chest_xray.views import with_view


def _header(number: int, view: str | None, modality: str = "DX") -> SeriesHeader:
    extra: dict[str, str | int | float] = {} if view is None else {"ViewPosition": view}
    return SeriesHeader("1.2", f"1.3.{number}", modality, "1.4", instance_count=1, extra=extra)


def _seen(given: str | None, *headers: SeriesHeader) -> Choice:
    """Choose among films and apply what the caller stated."""
    volume = Volume(np.zeros((1, 4, 4), np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    by_uid = {h.series_uid: SeriesImage(h, volume, (), ()) for h in headers}
    study = StudyInput(list(headers), lambda uid: by_uid[uid])
    parameters = {} if given is None else {"view_position": given}
    return with_view(choose(study), study.series, parameters)


def _view(choice: Choice) -> str:
    assert choice.image is not None
    return view_of(choice.image.header)


class TestWithView:
    @pytest.mark.parametrize(
        ("stated", "given", "seen"),
        [
            (None, "PA", "PA"),
            ("", "ap", "AP"),
            ("AP", "AP", "AP"),
            ("AP", "PA", "AP"),  # the header is never overruled
            ("LL", "PA", "LL"),
            (None, "LL", ""),
            ("PA", None, "PA"),
        ],
    )
    def test_fills_what_one_film_does_not_state(
        self, stated: str | None, given: str | None, seen: str
    ) -> None:
        assert _view(_seen(given, _header(1, stated))) == seen

    @pytest.mark.parametrize(
        ("views", "given", "film", "seen"),
        [
            (("PA", None), "AP", 1, "PA"),
            ((None, "AP"), "PA", 2, "AP"),
            ((None, None), "PA", 1, ""),
            (("LL", None), "PA", 2, "PA"),
        ],
    )
    def test_never_changes_which_of_two_films_is_chosen(
        self, views: tuple[str | None, str | None], given: str, film: int, seen: str
    ) -> None:
        headers = [_header(number, view) for number, view in enumerate(views, 1)]
        plain, choice = _seen(None, *headers), _seen(given, *headers)
        assert choice.chosen is not None and plain.chosen is not None
        assert choice.chosen.series_uid == plain.chosen.series_uid == f"1.3.{film}"
        assert choice.rejected == plain.rejected
        assert _view(choice) == seen

    def test_a_series_that_is_no_film_does_not_count(self) -> None:
        choice = _seen("PA", _header(1, None), _header(2, None, "CT"))
        assert _view(choice) == "PA"
        assert choice.chosen is not None
        assert choice.chosen.reason.en == "Best film (DX, view stated in the request: PA)"
