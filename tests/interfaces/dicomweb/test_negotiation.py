# SPDX-License-Identifier: Apache-2.0
"""The Accept headers of the viewers people use, and what each gets."""

import pytest

from healthvision.interfaces.dicomweb.media import parse_accept, parse_media_type
from healthvision.interfaces.dicomweb.negotiation import (
    ANY,
    DEFLATED,
    DICOM,
    DICOM_JSON,
    EXPLICIT_LE,
    GIF,
    IMPLICIT_LE,
    JPEG,
    MP4,
    OCTETS,
    PNG,
    ZIP,
    Form,
    form_of_bulk,
    forms_for_frames,
    forms_for_instances,
    frame_form,
    instance_syntax,
    json_kind,
    rendered_kind,
)
from healthvision.kernel.errors import NotAcceptable

J2K = "1.2.840.10008.1.2.4.90"
JLS = "1.2.840.10008.1.2.4.80"
HTJ2K = "1.2.840.10008.1.2.4.201"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
BASELINE = "1.2.840.10008.1.2.4.50"
OHIF_FRAME = "multipart/related; type=application/octet-stream; transfer-syntax=*"
OHIF_ANY = "application/dicom+json, multipart/related; type=application/octet-stream"
CORNERSTONE_OLD = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
DWC_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
DWC_INSTANCE = 'multipart/related; type="application/dicom"; transfer-syntax="*"'
WEASIS = "multipart/related; type=application/dicom; transfer-syntax=*;q=0.9, */*;q=0.1"
DCMJS = 'multipart/related; type="application/dicom"'
SLICER = "application/dicom; transfer-syntax=*"
CORNERSTONE_WADO = "application/dicom;transfer-syntax=*"
CORNERSTONE = (
    "multipart/related; type=application/octet-stream; transfer-syntax=*, "
    "multipart/related; type=image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201, */*;q=0.1"
)
DWC_MANY = ", ".join(
    f'multipart/related; type="{kind}"; transfer-syntax="{syntax}"'
    for kind, syntax in (
        ("image/jp2", "1.2.840.10008.1.2.4.90"),
        ("image/jls", "1.2.840.10008.1.2.4.80"),
    )
)
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


class TestParseAccept:
    def test_orders_by_quality_and_drops_the_unwanted(self) -> None:
        names = [r.name for r in parse_accept("a/x;q=0.1, b/x, c/x;q=0, d/x;q=0.5")]
        assert names == ["b/x", "d/x", "a/x"]

    @pytest.mark.parametrize("text", ["", "  ", "*", "*/*"])
    def test_nothing_and_a_star_mean_anything(self, text: str) -> None:
        assert [r.name for r in parse_accept(text)] == ["*/*"]

    def test_keeps_commas_and_semicolons_inside_quotes(self) -> None:
        (found,) = parse_accept('multipart/related; type="a/b;c,d"; q=0.5')
        assert (found.part, found.q) == ("a/b;c,d", 0.5)

    def test_junk_gives_no_range(self) -> None:
        assert not parse_accept("junk, ;;;, =")


class TestFormsForInstances:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            ("", Form(DICOM, True, "")),
            ("*/*", Form(DICOM, True, "")),
            (WEASIS, Form(DICOM, True, ANY)),
            (DWC_INSTANCE, Form(DICOM, True, ANY)),
            (DCMJS, Form(DICOM, True, "")),
            ("multipart/related", Form(DICOM, True, "")),
            ("multipart/*", Form(DICOM, True, "")),
            ("application/dicom; transfer-syntax=*", Form(DICOM, False, ANY)),
            (f'{DCMJS}; transfer-syntax="{J2K}"', Form(DICOM, True, J2K)),
            (JAVA, Form(DICOM, True, "")),
            ("application/zip", Form(ZIP, False, ANY)),
            (f"application/zip; transfer-syntax={J2K}", Form(ZIP, False, J2K)),
            (SLICER, Form(DICOM, False, ANY)),
            (CORNERSTONE_WADO, Form(DICOM, False, ANY)),
        ],
    )
    def test_gives_each_client_its_form(self, accept: str, expected: Form) -> None:
        assert forms_for_instances(parse_accept(accept), one=True)[0] == expected

    @pytest.mark.parametrize(
        "accept", ["text/html", 'multipart/related; type="image/jpeg"', "application/x-tar", "junk"]
    )
    def test_refuses_what_cannot_be_made_and_names_what_can(self, accept: str) -> None:
        with pytest.raises(NotAcceptable, match="application/dicom"):
            forms_for_instances(parse_accept(accept), one=True)

    def test_a_series_never_goes_out_as_a_single_part(self) -> None:
        with pytest.raises(NotAcceptable):
            forms_for_instances(parse_accept(DICOM), one=False)


class TestFrameForm:
    @pytest.mark.parametrize(
        ("accept", "stored", "expected"),
        [
            (OHIF_FRAME, J2K, Form(OCTETS, True, ANY)),
            (CORNERSTONE_OLD, EXPLICIT_LE, Form(OCTETS, True, ANY)),
            (DWC_FRAME, BASELINE, Form(OCTETS, True, ANY)),
            (OHIF_ANY, J2K, Form(OCTETS, True, "")),
            ("*/*", EXPLICIT_LE, Form(OCTETS, True, "")),
            (OCTETS, EXPLICIT_LE, Form(OCTETS, False, "")),
            ('multipart/related; type="image/jp2"', J2K, Form("image/jp2", True, J2K)),
            ("image/jpeg", BASELINE, Form(JPEG, False, BASELINE)),
            (
                'multipart/related; type="image/jls", multipart/related; type="image/jp2"',
                J2K,
                Form("image/jp2", True, J2K),
            ),
            (CORNERSTONE, J2K, Form(OCTETS, True, ANY)),
            (DWC_MANY, EXPLICIT_LE, Form("image/jp2", True, J2K)),
            ('multipart/related; type="image/jls"', J2K, Form("image/jls", True, JLS)),
            ("image/jphc", EXPLICIT_LE, Form("image/jphc", False, HTJ2K)),
            (
                f"{OCTETS}; transfer-syntax={HTJ2K}",
                EXPLICIT_LE,
                Form(OCTETS, False, HTJ2K),
            ),
            (
                f"image/jpeg; transfer-syntax={BASELINE}",
                EXPLICIT_LE,
                Form(JPEG, False, BASELINE),
            ),
        ],
    )
    def test_gives_each_client_its_form(self, accept: str, stored: str, expected: Form) -> None:
        forms = forms_for_frames(parse_accept(accept), one=True)
        assert frame_form(forms, stored) == expected

    @pytest.mark.parametrize(
        "accept",
        [
            'multipart/related; type="image/jpeg"',
            f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.4.70",
            f"{OCTETS}; transfer-syntax={DEFLATED}",
            f"image/jls; transfer-syntax={J2K}",
        ],
    )
    def test_refuses_an_encoding_it_neither_has_nor_makes(self, accept: str) -> None:
        with pytest.raises(NotAcceptable, match=J2K):
            frame_form(forms_for_frames(parse_accept(accept), one=True), J2K)

    def test_refuses_other_media(self) -> None:
        with pytest.raises(NotAcceptable):
            forms_for_frames(parse_accept("text/html"), one=True)


class TestInstanceSyntax:
    @pytest.mark.parametrize(
        ("wanted", "stored", "compressed", "expected"),
        [
            ("", J2K, True, EXPLICIT_LE),
            ("*", J2K, True, J2K),
            (J2K, J2K, True, J2K),
            (EXPLICIT_LE, J2K, True, EXPLICIT_LE),
            ("", "1.2.840.10008.1.2", False, "1.2.840.10008.1.2"),
            (EXPLICIT_LE, "1.2.840.10008.1.2", False, EXPLICIT_LE),
        ],
    )
    def test_follows_the_table(
        self, wanted: str, stored: str, compressed: bool, expected: str
    ) -> None:
        form = Form(DICOM, True, wanted)
        assert instance_syntax(form, stored, compressed=compressed) == expected

    def test_refuses_an_encoding_it_does_not_make(self) -> None:
        with pytest.raises(NotAcceptable):
            instance_syntax(Form(DICOM, True, JPEG_LOSSLESS), EXPLICIT_LE, compressed=False)

    def test_objects_without_pixels_are_never_compressed(self) -> None:
        form = Form(DICOM, True, HTJ2K)
        assert instance_syntax(form, IMPLICIT_LE, compressed=False) == HTJ2K
        assert instance_syntax(form, IMPLICIT_LE, compressed=False, pixels=False) == EXPLICIT_LE


class TestJsonKind:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            ("", DICOM_JSON),
            (OHIF_ANY, DICOM_JSON),
            ("application/json", "application/json"),
            ("application/dicom+json, application/json", DICOM_JSON),
            (JAVA, DICOM_JSON),
            ('multipart/related; type="application/dicom+json"', DICOM_JSON),
        ],
    )
    def test_gives_each_client_its_form(self, accept: str, expected: str) -> None:
        assert json_kind(parse_accept(accept)) == expected

    def test_has_no_xml(self) -> None:
        with pytest.raises(NotAcceptable):
            json_kind(parse_accept("application/dicom+xml"))


class TestRenderedKind:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            ("", JPEG),
            ("image/png", PNG),
            ("image/gif", GIF),
            ("video/mp4", MP4),
            ("image/*", JPEG),
            ("image/jpeg;q=0.5, image/png", PNG),
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", JPEG),
        ],
    )
    def test_gives_each_client_its_form(self, accept: str, expected: str) -> None:
        assert rendered_kind(parse_accept(accept)) == expected

    def test_refuses_formats_it_does_not_make(self) -> None:
        with pytest.raises(NotAcceptable):
            rendered_kind(parse_accept("image/webp"))


class TestFormOfBulk:
    @pytest.mark.parametrize(
        ("accept", "multipart"),
        [("*/*", True), (OCTETS, False), (OHIF_FRAME, True), (OHIF_ANY, True)],
    )
    def test_gives_each_client_its_form(self, accept: str, multipart: bool) -> None:
        assert form_of_bulk(parse_accept(accept)).multipart is multipart


class TestParseMediaType:
    def test_reads_an_unquoted_type(self) -> None:
        found = parse_media_type("multipart/related; type=application/dicom; boundary=x")
        assert (found.name, found.part) == ("multipart/related", "application/dicom")

    def test_a_text_without_slash_is_none(self) -> None:
        assert parse_media_type("dicom").name == ""
