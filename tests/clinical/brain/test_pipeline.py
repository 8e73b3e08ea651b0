# SPDX-License-Identifier: Apache-2.0
"""The reading of heads against phantoms with known truth."""

import numpy as np
import pytest

from healthvision.clinical import metamorphic
from healthvision.clinical.brain.extraction import dice
from healthvision.clinical.brain.lesions import grow_lesion
from healthvision.clinical.brain.pipeline import HeadReading, NotRead, read_head
from healthvision.clinical.brain.sequence import by_header
from healthvision.clinical.phantoms.head import GREY, HYPER, TUMOUR, WHITE, HeadConfig, head
from healthvision.clinical.phantoms.head import HeadPhantom as Phantom
from healthvision.clinical.study import SeriesHeader
from healthvision.clinical.volume import axial

COARSE = HeadConfig(shape=(100, 120, 100), spacing=(1.9, 1.9, 1.9))


def header(**changes: str) -> SeriesHeader:
    return SeriesHeader("1", "1.1", "MR", "1", **changes)  # type: ignore[arg-type]


def read(phantom: Phantom) -> HeadReading:
    found = read_head(phantom.volume, header())
    assert isinstance(found, HeadReading)
    return found


@pytest.fixture(scope="module")
def t1() -> Phantom:
    return head(31, HeadConfig(ventricles=1.2, tumour_mm=0))


@pytest.fixture(scope="module")
def t1_reading(t1: Phantom) -> HeadReading:
    return read(t1)


class TestReadHead:
    def test_the_inside_of_the_skull_is_found(self, t1: Phantom, t1_reading: HeadReading) -> None:
        assert dice(t1_reading.brain.inside, t1.intracranial) > 0.985

    def test_tissue_volumes_are_within_a_few_percent(
        self, t1: Phantom, t1_reading: HeadReading
    ) -> None:
        tissues = t1_reading.tissues
        assert tissues is not None
        assert tissues.grey_ml == pytest.approx(t1.ml(GREY), rel=0.04)
        assert tissues.white_ml == pytest.approx(t1.ml(WHITE), rel=0.03)
        whole = float(t1.intracranial.sum()) * t1.volume.voxel_ml
        assert tissues.intracranial_ml == pytest.approx(whole, rel=0.02)

    def test_the_evans_index_is_within_two_hundredths(
        self, t1: Phantom, t1_reading: HeadReading
    ) -> None:
        assert t1_reading.ventricles is not None
        assert t1_reading.ventricles.evans is not None
        assert t1_reading.ventricles.evans.value == pytest.approx(t1.evans, abs=0.02)

    def test_the_plane_of_symmetry_is_the_middle(self, t1_reading: HeadReading) -> None:
        assert t1_reading.plane is not None
        assert abs(t1_reading.plane.normal[2]) > 0.995
        assert abs(t1_reading.asymmetries["brain"].index) < 0.04

    def test_a_healthy_head_has_no_atypical_region(self, t1_reading: HeadReading) -> None:
        assert t1_reading.atypical == ()
        assert t1_reading.hyperintensities is None

    @pytest.mark.long
    def test_the_array_order_does_not_matter(self) -> None:
        phantom = head(36, COARSE)
        turned = metamorphic.flip(0, 2)(phantom.volume)
        first, other = read(phantom), read_head(turned, header())
        assert isinstance(other, HeadReading)
        assert other.tissues is not None
        assert first.tissues is not None
        assert other.tissues.grey_ml == pytest.approx(first.tissues.grey_ml, rel=1e-6)

    @pytest.mark.long
    def test_a_header_that_contradicts_the_tissues_stops_the_measuring(self) -> None:
        phantom = head(32, COARSE)
        found = read_head(phantom.volume, header(description="ax t2 tse"))
        assert isinstance(found, HeadReading)
        assert found.sequence.contrast is None
        assert found.sequence.tissues == "T1"
        assert found.tissues is None

    @pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR"])
    def test_the_contrast_is_told_by_the_tissues(self, contrast: str) -> None:
        config = HeadConfig(contrast=contrast, shape=COARSE.shape, spacing=COARSE.spacing)  # type: ignore[arg-type]
        assert read(head(33, config)).sequence.contrast == contrast

    def test_noise_and_emptiness_are_no_heads(self) -> None:
        rng = np.random.default_rng(1)
        noise = axial(rng.random((40, 40, 40)).astype(np.float32) * 100, (4.0, 4.0, 4.0))
        assert isinstance(read_head(noise, header()), NotRead)
        empty = axial(np.zeros((30, 30, 30), np.float32), (5.0, 5.0, 5.0))
        assert read_head(empty, header()) == NotRead("no-head")


@pytest.mark.long
class TestFlair:
    def test_bright_spots_are_found_and_measured(self) -> None:
        phantom = head(34, HeadConfig(contrast="FLAIR", hyperintensities=8))
        found = read(phantom)
        assert found.hyperintensities is not None
        assert dice(found.hyperintensities.mask, phantom.labels == HYPER) > 0.75
        low, high = found.hyperintensities.interval_ml
        assert low <= phantom.ml(HYPER) * 1.05
        assert high >= phantom.ml(HYPER) * 0.95


@pytest.mark.long
class TestTumour:
    def test_a_large_lesion_is_marked_and_grows_from_a_click(self) -> None:
        phantom = head(5000, HeadConfig(ventricles=1.0, tumour_mm=32))
        assert phantom.tumour_centre is not None
        found = read(phantom)
        places = [np.array(found.scan.work.to_lps(r.centre)) for r in found.atypical]
        assert any(np.linalg.norm(p - phantom.tumour_centre) < 25 for p in places)
        grown = grow_lesion(phantom.volume, phantom.tumour_centre)
        assert grown is not None
        assert dice(grown.mask, phantom.labels == TUMOUR) > 0.8

    def test_a_click_outside_grows_nothing(self) -> None:
        volume = axial(np.ones((20, 20, 20), np.float32))
        assert grow_lesion(volume, (100.0, 0.0, 0.0)) is None
        assert grow_lesion(volume, (10.0, 10.0, 10.0)) is None


class TestByHeader:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("t1_mprage_sag", "T1"),
            ("AX T2 FLAIR", "FLAIR"),
            ("t2_tse_tra", "T2"),
            ("ep2d_diff_ADC", "other"),
            ("t2*_gre", "other"),
            ("TOF 3D", "other"),
            ("series 4", None),
        ],
    )
    def test_names(self, name: str, kind: str | None) -> None:
        assert by_header(header(description=name)) == kind

    @pytest.mark.parametrize(
        ("times", "kind"),
        [
            ({"EchoTime": 3.0, "RepetitionTime": 500.0}, "T1"),
            ({"EchoTime": 100.0, "RepetitionTime": 4000.0}, "T2"),
            ({"EchoTime": 120.0, "RepetitionTime": 9000.0, "InversionTime": 2500.0}, "FLAIR"),
            ({"EchoTime": 120.0, "RepetitionTime": 9000.0}, None),
            ({"EchoTime": 120.0}, None),
        ],
    )
    def test_times(self, times: dict[str, str | int | float], kind: str | None) -> None:
        assert by_header(SeriesHeader("1", "1", "MR", "1", extra=times)) == kind
