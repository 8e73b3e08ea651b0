# SPDX-License-Identifier: Apache-2.0
"""The view a caller states: it fills a gap, and never overrules what a film says of itself."""

import numpy as np
import pytest

from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.clinical.volume import Volume
from healthvision.domains.modelhub.ports import StudyInput
from healthvision.plugins.applications.chest_xray.series import view_of
from healthvision.plugins.applications.chest_xray.views import with_view


def _study(view: str | None) -> StudyInput:
    extra: dict[str, str | int | float] = {} if view is None else {"ViewPosition": view}
    header = SeriesHeader("1.2", "1.3", "DX", "1.4", instance_count=1, extra=extra)
    volume = Volume(np.zeros((1, 4, 4), np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    return StudyInput([header], lambda _uid: SeriesImage(header, volume, (), ()))


class TestWithView:
    @pytest.mark.parametrize(
        ("stated", "given", "seen"),
        [
            (None, "PA", "PA"),
            ("", "ap", "AP"),
            ("AP", "AP", "AP"),
            ("AP", "PA", ""),  # they disagree: not known
            ("LL", "PA", "LL"),
            (None, "LL", ""),
            ("PA", None, "PA"),
        ],
    )
    def test_header_and_image_say_the_same(
        self, stated: str | None, given: str | None, seen: str
    ) -> None:
        parameters = {} if given is None else {"view_position": given}
        study = with_view(_study(stated), parameters)
        assert view_of(study.series[0]) == seen
        assert view_of(study.load("1.3").header) == seen
