# SPDX-License-Identifier: Apache-2.0
"""brain-mri end to end on phantoms: findings, gates, segmentation, words."""

from dataclasses import replace

import numpy as np
import pytest

from healthvision.clinical.phantoms.head import HeadConfig, HeadPhantom, head
from healthvision.clinical.result import GateOutcome
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Volume
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.domains.modelhub.service import accepted
from healthvision.plugins.applications.brain_mri import APPLICATION

COARSE = HeadConfig(
    contrast="FLAIR",
    shape=(110, 130, 110),
    spacing=(1.7, 1.75, 1.7),
    ventricles=1.5,
    hyperintensities=8,
    tumour_mm=36.0,
)


def study(volume: Volume, **changes: object) -> StudyInput:
    """Return a study of one series."""
    base = SeriesHeader(
        "1.2.3", "1.2.3.1", "MR", "1.2.840.10008.5.1.4.1.1.4", instance_count=volume.shape[0]
    )
    slices = tuple(SliceRef("1", f"1.2.3.1.{i}") for i in range(volume.shape[0]))
    image = SeriesImage(replace(base, **changes), volume, slices)  # type: ignore[arg-type]
    return StudyInput([image.header], lambda _: image)


def analyse(given: StudyInput, **parameters: float) -> ApplicationOutput:
    """Run the application."""
    return APPLICATION.run(given, Context(0, lambda share, stage: None, parameters))


@pytest.fixture(scope="module")
def subject() -> HeadPhantom:
    """A FLAIR head with wide ventricles, spots and one large lesion."""
    return head(11, COARSE)


@pytest.fixture(scope="module")
def result(subject: HeadPhantom) -> ApplicationOutput:
    """Its result, with the doctor's mark on the lesion."""
    assert subject.tumour_centre is not None
    x, y, z = subject.tumour_centre
    return analyse(
        study(subject.volume, description="t2_flair"), lesion_x=x, lesion_y=y, lesion_z=z
    )


class TestRun:
    """``BrainMri.run``."""

    def test_finds_ventricles_spots_region_and_marked_lesion(
        self, result: ApplicationOutput
    ) -> None:
        assert result.abstained is None
        names = {f.tracking_id for f in result.findings}
        assert {"ventricles", "hyperintensities", "atypical-1", "lesion-1"} <= names

    def test_the_marked_lesion_has_its_volume_and_side(
        self, subject: HeadPhantom, result: ApplicationOutput
    ) -> None:
        lesion = next(f for f in result.findings if f.tracking_id == "lesion-1")
        assert lesion.measurements[0].value == pytest.approx(subject.ml(8), rel=0.2)
        assert subject.tumour_centre is not None
        side = "left" if subject.tumour_centre[0] > 0 else "right"
        assert lesion.location.laterality == side

    def test_no_result_names_a_tumour_or_invents_a_confidence(
        self, result: ApplicationOutput
    ) -> None:
        for finding in result.findings:
            assert finding.confidence.value is None
            assert finding.confidence.reason_absent is not None
            words = f"{finding.label.en} {finding.explanation.text.en} {finding.code.meaning}"
            assert "tumour" not in words.lower()
            assert "glioma" not in words.lower()

    def test_segments_are_numbered_and_named_by_their_findings(
        self, subject: HeadPhantom, result: ApplicationOutput
    ) -> None:
        assert result.segmentation is not None
        labels = result.segmentation.labels
        assert labels.shape == subject.volume.shape
        numbers = [s.number for s in result.segmentation.segments]
        assert numbers == list(range(1, len(numbers) + 1))
        assert set(np.unique(labels.voxels)) <= {0, *numbers}
        for finding in result.findings:
            assert finding.explanation.overlay is not None
            assert finding.explanation.overlay.segment in numbers

    def test_each_finding_has_a_picture_and_a_slice(self, result: ApplicationOutput) -> None:
        shown = {k.tracking_id: k for k in result.key_images}
        for finding in result.findings:
            key = shown[finding.tracking_id]
            assert key.pixels.dtype == np.uint8
            assert finding.location.sop_instance_uid is not None

    def test_flair_volumes_carry_intervals_and_leave_out_grey_and_white(
        self, result: ApplicationOutput
    ) -> None:
        volumes = [m for m in result.measurements if m.unit == "mL"]
        assert len(volumes) == 4
        assert all(m.interval is not None for m in volumes)


class TestGates:
    def test_thick_slices_are_refused(self, subject: HeadPhantom) -> None:
        out = analyse(study(subject.volume, slice_thickness_mm=6.5))
        assert out.abstained is not None
        assert "6 mm" in out.abstained.en

    def test_a_slab_is_no_whole_brain(self, subject: HeadPhantom) -> None:
        v = subject.volume
        slab = Volume(v.voxels[40:70], v.spacing, v.origin, v.direction)
        out = analyse(study(slab))
        assert out.abstained is not None
        gate = next(g for g in out.gates if g.id == "coverage")
        assert gate.outcome is GateOutcome.FAILED
        assert gate.remedy is not None

    def test_ct_and_diffusion_are_not_taken(self, subject: HeadPhantom) -> None:
        for changes in ({"modality": "CT"}, {"description": "ep2d_diff ADC"}):
            assert analyse(study(subject.volume, **changes)).abstained is not None


class TestAccepts:
    @pytest.mark.parametrize(
        ("modality", "images", "fits"), [("MR", 60, True), ("MR", 3, False), ("CT", 60, False)]
    )
    def test_an_mr_of_fifteen_slices(self, modality: str, images: int, fits: bool) -> None:
        header = SeriesHeader("1.2", "1.3", modality, "1.4", instance_count=images)
        assert bool(accepted(APPLICATION.manifest, [header])) is fits
