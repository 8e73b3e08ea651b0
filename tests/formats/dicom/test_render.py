# SPDX-License-Identifier: Apache-2.0
"""Pictures of frames: windows, inversion, palettes, colour, sizes."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.formats.dicom.factories import noise, shared, slice_of, volume

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import read_header
from healthvision.formats.dicom.render import (
    Rendering,
    Window,
    apply_window,
    render_frame,
    thumbnail,
    window_of,
)
from healthvision.formats.dicom.writer import to_part10
from healthvision.formats.images.png import to_png


def _picture(data: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(data)))


def _file(**changes: Any) -> bytes:
    return to_part10(slice_of(volume(), 0, **changes))


class TestApplyWindow:
    def test_follows_the_formula_of_the_standard(self) -> None:
        values = np.array([[-160, -159, 40, 239, 240]])
        out = apply_window(values, Window(40, 400))
        expected = [((x - 39.5) / 399 + 0.5) * 255 for x in (-159, 40, 239)]
        assert out[0, 0] == 0 and out[0, 4] == 255
        assert np.allclose(out[0, 1:4], np.rint(np.clip(expected, 0, 255)), atol=1)

    def test_sigmoid_and_exact(self) -> None:
        values = np.array([[0.0, 50.0, 100.0]])
        assert apply_window(values, Window(50, 100, "LINEAR_EXACT")).tolist() == [[0, 128, 255]]
        assert apply_window(values, Window(50, 100, "SIGMOID"))[0, 1] == 128


class TestRenderFrame:
    def test_uses_the_window_of_the_object_in_hounsfield_units(self) -> None:
        data = _file(WindowCenter="40", WindowWidth="400")
        header = read_header(data)
        assert window_of(header) == Window(40.0, 400.0)
        picture = _picture(to_png(data, header))
        assert np.array_equal(picture, apply_window(noise()[0], Window(40, 400)))

    def test_a_given_window_wins(self) -> None:
        data = _file(WindowCenter="40", WindowWidth="400")
        picture = _picture(to_png(data, read_header(data), window=Window(-600, 1500)))
        assert np.array_equal(picture, apply_window(noise()[0], Window(-600, 1500)))

    def test_monochrome1_is_inverted(self) -> None:
        one, two = _file(), _file(PhotometricInterpretation="MONOCHROME1")
        a, b = (_picture(to_png(d, read_header(d))) for d in (one, two))
        assert np.array_equal(a, 255 - b)

    def test_fits_into_the_viewport(self) -> None:
        data = _file()
        how = Rendering(viewport=(40, 8), media="image/jpeg")
        assert _picture(render_frame(data, read_header(data), how=how)).shape == (8, 10)

    def test_refuses_what_cannot_be(self) -> None:
        data = _file()
        header = read_header(data)
        with pytest.raises(DicomRefused):
            render_frame(data, header, frame=1)
        with pytest.raises(ValueError, match="viewport"):
            render_frame(data, header, how=Rendering(viewport=(0, 5)))
        with pytest.raises(ValueError, match="quality"):
            render_frame(data, header, how=Rendering(quality=0))

    def test_a_palette_index_outside_the_table_takes_its_end(self) -> None:
        ds = slice_of(volume(), 0, PhotometricInterpretation="PALETTE COLOR")
        ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 2, 2, 8, 8, 7
        ds.PixelData = bytes([0, 1, 200, 255])
        for colour, values in (("Red", [10, 20]), ("Green", [30, 40]), ("Blue", [50, 60])):
            setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [2, 0, 8])
            ds[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
            setattr(ds, f"{colour}PaletteColorLookupTableData", bytes(values))
        data = to_part10(ds)
        picture = _picture(to_png(data, read_header(data)))
        assert picture[0].tolist() == [[10, 30, 50], [20, 40, 60]]
        assert picture[1].tolist() == [[20, 40, 60], [20, 40, 60]]

    def test_every_decodable_real_file_can_be_shown(self) -> None:
        root = shared("dicom")
        shown = refused = 0
        with (root / "MANIFEST.csv").open(encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["pixels"].startswith("ok")]
        for row in rows:
            data = (root / row["file"]).read_bytes()
            try:
                header = read_header(data)
            except DicomRefused:
                continue
            try:
                small = _picture(thumbnail(data, header))
            except DicomRefused as error:
                assert error.reason == "decode"
                refused += 1
                continue
            assert max(small.shape[:2]) == 128
            shown += 1
        assert shown >= 200
        assert refused <= 3
