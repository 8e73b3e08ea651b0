# SPDX-License-Identifier: Apache-2.0
"""Query parameters of pictures."""

import pytest

from healthvision.formats.dicom.render import Rendering, Window
from healthvision.interfaces.dicomweb.query import BadParameter
from healthvision.interfaces.dicomweb.rendering import rendering_of, thumbnail_of


class TestRenderingOf:
    def test_reads_all_parameters(self) -> None:
        got = rendering_of(
            {"window": "40, 400, sigmoid", "viewport": "512,256", "quality": "55"}, "image/png"
        )
        assert got == Rendering(Window(40, 400, "SIGMOID"), (512, 256), 55, "image/png")

    def test_has_defaults(self) -> None:
        assert rendering_of({}, "image/jpeg") == Rendering()

    @pytest.mark.parametrize("quality", ["0", "101", "99999", "-1", "x", "٣"])
    def test_names_a_bad_quality(self, quality: str) -> None:
        with pytest.raises(BadParameter, match="quality"):
            rendering_of({"quality": quality}, "image/jpeg")


class TestThumbnailOf:
    def test_is_small_unless_told_otherwise(self) -> None:
        assert thumbnail_of({}, "image/jpeg").viewport == (128, 128)
        assert thumbnail_of({"viewport": "64,64"}, "image/jpeg").viewport == (64, 64)
