# SPDX-License-Identifier: Apache-2.0
"""Which series start lung-ct by themselves."""

import pytest

from healthvision.clinical.study import SeriesHeader
from healthvision.domains.modelhub.service import accepted
from healthvision.plugins.applications.lung_ct import APPLICATION


class TestAccepts:
    @pytest.mark.parametrize(
        ("modality", "images", "frames", "fits"),
        [
            ("CT", 64, None, True),
            ("CT", 1, 60, True),
            ("CT", 3, None, False),
            ("CT", 1, 5, False),
            ("MR", 64, None, False),
        ],
    )
    def test_a_ct_of_twenty_slices_or_frames(
        self, modality: str, images: int, frames: int | None, fits: bool
    ) -> None:
        extra: dict[str, str | int | float] = {} if frames is None else {"NumberOfFrames": frames}
        header = SeriesHeader("1.2", "1.3", modality, "1.4", instance_count=images, extra=extra)
        assert bool(accepted(APPLICATION.manifest, [header])) is fits
