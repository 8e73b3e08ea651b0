# SPDX-License-Identifier: Apache-2.0
"""lung-ct end to end on phantoms: findings against truth, gates, confidence, words."""

from dataclasses import replace
from math import dist

import numpy as np
import pytest

from healthvision.clinical.chest.intervals import COVERAGE
from healthvision.clinical.phantoms import ChestConfig, ChestPhantom, phantom
from healthvision.clinical.phantoms.chest import SMALL
from healthvision.clinical.result import Finding, GateOutcome, Text
from healthvision.clinical.study import (
    ApplicationOutput,
    GeometryNote,
    SeriesHeader,
    SeriesImage,
    SliceRef,
)
from healthvision.clinical.volume import Volume
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.plugins.applications.lung_ct import APPLICATION, application, words

TWO = replace(
    SMALL,
    shape=(110, 200, 200),
    spacing=(1.4, 1.3, 1.3),
    wishes=(("solid", "isolated", 12.0), ("ground-glass", "isolated", 14.0)),
)


def header(volume: Volume, **changes: str | float | int | tuple[str, ...]) -> SeriesHeader:
    """Return a CT header for a volume."""
    base = SeriesHeader(
        "1.2.3", "1.2.3.1", "CT", "1.2.840.10008.5.1.4.1.1.2", instance_count=volume.shape[0]
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def study(
    volume: Volume,
    notes: tuple[GeometryNote, ...] = (),
    **changes: str | float | int | tuple[str, ...],
) -> StudyInput:
    """Return a study of one series."""
    slices = tuple(SliceRef("1", f"1.2.3.1.{i}") for i in range(volume.shape[0]))
    image = SeriesImage(header(volume, **changes), volume, slices, notes)
    return StudyInput([image.header], lambda _: image)


def analyse(given: StudyInput) -> ApplicationOutput:
    """Run the application."""
    return APPLICATION.run(given, Context(0, lambda share, stage: None))


def nearest(out: ApplicationOutput, place: tuple[float, float, float]) -> Finding | None:
    """Return the finding within 6 mm of a place."""
    for finding in out.findings:
        at = finding.location.position_lps_mm
        if at is not None and dist(at, place) < 6:
            return finding
    return None


def outcome(out: ApplicationOutput, gate: str) -> GateOutcome:
    """Return the outcome of a gate."""
    return next(g.outcome for g in out.gates if g.id == gate)


@pytest.fixture(scope="module")
def chest() -> ChestPhantom:
    """A chest with one solid and one ground-glass nodule."""
    return phantom(201, TWO)


@pytest.fixture(scope="module")
def result(chest: ChestPhantom) -> ApplicationOutput:
    """Its result."""
    return analyse(study(chest.volume))


class TestRun:
    """``LungCt.run``."""

    def test_finds_both_nodules_with_size_type_side_and_categories(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        assert result.abstained is None
        assert len(chest.nodules) == 2
        for truth in chest.nodules:
            finding = nearest(result, truth.centre)
            assert finding is not None
            mean = finding.measurements[0]
            assert mean.value == pytest.approx(truth.mean_diameter_mm, abs=1.0)
            assert mean.interval is not None
            assert mean.interval.low <= truth.mean_diameter_mm <= mean.interval.high
            assert finding.attributes[0][1].value == truth.kind
            assert finding.location.laterality == truth.laterality
            assert {c.guideline for c in finding.categories} == {
                "lung-rads-v2022",
                "fleischner-2017",
            }
            assert finding.confidence.value is not None
            assert finding.confidence.value > 0.6

    def test_the_category_of_a_12_mm_solid_nodule_is_4a(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        solid = next(n for n in chest.nodules if n.kind == "solid")
        finding = nearest(result, solid.centre)
        assert finding is not None
        assert finding.categories[0].value == "4A"
        assert finding.categories[0].trace

    def test_true_sizes_lie_in_their_intervals_which_name_their_source(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        for truth in chest.nodules:
            found = nearest(result, truth.centre)
            assert found is not None
            sizes = {m.label.en: m for m in found.measurements}
            for name, true in (
                ("Mean diameter", truth.mean_diameter_mm),
                ("Volume", truth.volume_mm3),
            ):
                interval = sizes[name].interval
                assert interval is not None and interval.coverage == COVERAGE
                assert interval.low <= true <= interval.high
                assert "nodules of phantoms" in sizes[name].method

    def test_the_summary_counts_what_the_table_lists(
        self, chest: ChestPhantom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(application, "EMPHYSEMA_FROM", 0.0)  # emphysema is a finding, too
        out = analyse(study(chest.volume))
        assert [f.code for f in out.findings].count(words.EMPHYSEMA) == 1
        assert f"AI findings: {len(out.findings)}." in out.summary.en
        assert f"AI所见{len(out.findings)}项" in out.summary.zh
        assert "No nodule" not in out.summary.en

    def test_the_segmentation_names_each_nodule_at_its_place(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        assert result.segmentation is not None
        labels = result.segmentation.labels
        assert labels.shape == chest.volume.shape
        for truth in chest.nodules:
            finding = nearest(result, truth.centre)
            assert finding is not None
            assert finding.explanation.overlay is not None
            index = tuple(round(i) for i in labels.to_index(truth.centre))
            assert int(labels.voxels[index]) == finding.explanation.overlay.segment
        numbers = [s.number for s in result.segmentation.segments]
        assert numbers == list(range(1, len(numbers) + 1))

    def test_the_key_slice_is_that_of_the_nodule(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        for key in result.key_images:
            assert key.pixels.dtype == np.uint8
            assert key.pixels.shape[2] == 3
            finding = next(f for f in result.findings if f.tracking_id == key.tracking_id)
            assert finding.location.sop_instance_uid == f"1.2.3.1.{key.slice_index}"
            place = finding.location.position_lps_mm
            assert place is not None
            assert abs(chest.volume.to_index(place)[0] - key.slice_index) < 3

    def test_the_same_study_gives_the_same_result(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        again = analyse(study(chest.volume))
        assert again.findings == result.findings
        assert again.measurements == result.measurements

    def test_a_flipped_array_with_its_true_geometry_gives_the_same_findings(
        self, chest: ChestPhantom, result: ApplicationOutput
    ) -> None:
        v = chest.volume
        turned = Volume(
            np.ascontiguousarray(v.voxels[::-1, :, ::-1]),
            v.spacing,
            v.to_lps((v.shape[0] - 1, 0, v.shape[2] - 1)),
            v.direction * np.array([-1, 1, -1]),
        )
        other = analyse(study(turned))
        assert [f.location.position_lps_mm for f in other.findings] == [
            f.location.position_lps_mm for f in result.findings
        ]
        assert other.segmentation is not None
        assert result.segmentation is not None
        assert np.array_equal(
            other.segmentation.labels.voxels[::-1, :, ::-1], result.segmentation.labels.voxels
        )
        assert {f.location.sop_instance_uid for f in other.findings} == {
            f"1.2.3.1.{v.shape[0] - 1 - k.slice_index}" for k in result.key_images
        }

    def test_erasing_the_nodule_removes_it_and_erasing_elsewhere_does_not(
        self, chest: ChestPhantom
    ) -> None:
        solid = next(n for n in chest.nodules if n.kind == "solid")
        z, y, x = (round(i) for i in chest.volume.to_index(solid.centre))

        def erased(at_y: int) -> Finding | None:
            voxels = chest.volume.voxels.copy()
            voxels[z - 6 : z + 7, at_y - 6 : at_y + 7, x - 6 : x + 7] = -860
            return nearest(analyse(study(chest.volume.like(voxels))), solid.centre)

        assert erased(y) is None
        other = erased(y + 22)
        assert other is not None
        assert other.confidence.value is not None

    def test_the_category_of_the_exam_is_the_highest_of_its_nodules(
        self, result: ApplicationOutput
    ) -> None:
        assert [(c.guideline, c.value) for c in result.categories] == [("lung-rads-v2022", "4A")]
        assert result.categories[0].trace

    def test_brock_is_a_range_that_names_what_is_not_known(self, chest: ChestPhantom) -> None:
        known = analyse(study(chest.volume, patient_age_years=62, patient_sex="F"))
        unknown = analyse(study(chest.volume))
        for with_age, without in zip(known.findings, unknown.findings, strict=True):
            (risk,), (wider,) = with_age.risks, without.risks
            assert risk.model == "brock-2b"
            assert 0 < wider.low <= risk.low < risk.high <= wider.high < 1
            named = {text.en for text in risk.missing}
            assert named == {"family history of lung cancer", "upper lobe", "spiculation"}
            assert {text.en for text in wider.missing} == named | {"age", "female"}
            assert risk.known["nodule_count"] == len(known.findings)

    def test_a_mass_has_pictures_in_both_windows_and_leaves_the_exam_without_category(
        self,
    ) -> None:
        given = phantom(201, replace(TWO, masses=(("lateral", 34.0),)))
        out = analyse(study(given.volume))
        (mass,) = [f for f in out.findings if f.tracking_id == "mass-1"]
        place = mass.location.position_lps_mm
        assert place is not None
        assert dist(place, given.masses[0].centre) < 17
        assert "chest wall" in mass.explanation.text.en
        interval = mass.measurements[0].interval
        assert interval is not None and interval.coverage == 0.9  # 5th and 95th percentile
        assert mass.categories == ()
        assert mass.risks == ()
        assert out.categories == ()
        assert [k.name for k in out.key_images[:2]] == ["key-mass-1", "key-mass-1-lung"]
        soft, lung = (k.pixels for k in out.key_images[:2])
        assert soft.mean() < lung.mean()  # lung is black in the soft-tissue window
        gate = next(g for g in out.gates if g.id == "mass-search")
        assert gate.value == 20.0
        assert "heart" in gate.reason.en

    def test_confidence_falls_with_noise(self) -> None:
        values = []
        for noise in (10.0, 70.0):
            given = phantom(201, replace(TWO, noise_sd=noise))
            glass = next(n for n in given.nodules if n.kind == "ground-glass")
            found = nearest(analyse(study(given.volume)), glass.centre)
            values.append(0.0 if found is None else found.confidence.value or 0.0)
        assert values[0] > values[1]

    def test_lungs_without_nodules_say_what_would_have_been_seen(self) -> None:
        clean = phantom(202, replace(TWO, wishes=None, nodules=0))
        out = analyse(study(clean.volume))
        assert out.findings == ()
        assert any(n.code.value == "27925004" for n in out.negatives)
        assert "Lung-RADS v2022: 1" in out.summary.en
        assert out.key_images

    @pytest.mark.parametrize(
        ("thickness", "expected"),
        [
            (2.5, GateOutcome.PASSED),
            (2.6, GateOutcome.WARNING),
            (5.0, GateOutcome.WARNING),
            (5.1, GateOutcome.FAILED),
        ],
    )
    def test_slice_thickness_decides_what_is_listed(
        self, chest: ChestPhantom, thickness: float, expected: GateOutcome
    ) -> None:
        out = analyse(study(chest.volume, slice_thickness_mm=thickness))
        assert outcome(out, "slice-thickness") is expected
        assert out.abstained is None
        assert len(out.measurements) >= 6
        if expected is GateOutcome.WARNING:
            assert f"{thickness:g} mm" in out.summary.en
            assert out.findings
            assert all(f.categories == () for f in out.findings)
            assert all(f.measurements[0].value >= 10 for f in out.findings)
            nodules = [f for f in out.findings if f.tracking_id.startswith("nodule")]
            assert nodules
            for measured in (m for f in nodules for m in f.measurements):
                assert measured.interval is None
                if measured.label.en in ("Mean diameter", "Volume"):
                    assert "none was fitted on slices above 2.5 mm" in measured.method
        if expected is GateOutcome.FAILED:
            assert not any(f.tracking_id.startswith("nodule") for f in out.findings)
            assert not any(n.code.value == "27925004" for n in out.negatives)

    def test_a_mirrored_array_abstains_and_names_the_orientation(self, chest: ChestPhantom) -> None:
        wrong = chest.volume.like(np.ascontiguousarray(chest.volume.voxels[:, :, ::-1]))
        out = analyse(study(wrong))
        assert out.abstained is not None
        assert outcome(out, "orientation") is GateOutcome.FAILED
        assert out.findings == ()

    def test_an_upside_down_array_abstains(self, chest: ChestPhantom) -> None:
        wrong = chest.volume.like(np.ascontiguousarray(chest.volume.voxels[::-1]))
        out = analyse(study(wrong))
        assert out.abstained is not None

    def test_grey_values_that_are_no_hounsfield_units_abstain(self, chest: ChestPhantom) -> None:
        grey = ((chest.volume.voxels.astype(np.float32) + 1024) / 16).clip(0, 255)
        out = analyse(study(chest.volume.like(grey.astype(np.uint8))))
        assert out.abstained is not None
        assert outcome(out, "hounsfield-units") is GateOutcome.FAILED

    def test_half_a_chest_abstains(self, chest: ChestPhantom) -> None:
        v = chest.volume
        half = Volume(v.voxels[:, :, : v.shape[2] // 2], v.spacing, v.origin, v.direction)
        assert analyse(study(half)).abstained is not None

    def test_another_modality_abstains_with_the_reason(self, chest: ChestPhantom) -> None:
        out = analyse(study(chest.volume, modality="MR"))
        assert out.abstained is not None
        assert "MR" in out.abstained.en

    def test_a_gap_is_passed_on_as_a_warning(self, chest: ChestPhantom) -> None:
        note = GeometryNote("gap", Text(zh="缺层", en="gap of 4 mm"), 4.0)
        out = analyse(study(chest.volume, notes=(note,)))
        assert outcome(out, "geometry-gap") is GateOutcome.WARNING

    def test_takes_the_thin_series_and_says_why_not_the_others(self, chest: ChestPhantom) -> None:
        thin = study(chest.volume, slice_thickness_mm=1.4)
        thick = header(chest.volume, series_uid="9.1", slice_thickness_mm=5.0)
        scout = header(chest.volume, series_uid="9.2", image_type=("ORIGINAL", "LOCALIZER"))
        out = analyse(StudyInput([scout, thick, *thin.series], thin.load))
        assert out.chosen is not None
        assert out.chosen.series_uid == "1.2.3.1"
        assert {uid for uid, _ in out.chosen.rejected} == {"9.1", "9.2"}

    @pytest.mark.long
    def test_a_phantom_of_512_by_512_by_300_is_found_in_full(self) -> None:
        config = ChestConfig(shape=(300, 512, 512), spacing=(1.0, 0.7, 0.7), nodules=6)
        big = phantom(203, config)
        out = analyse(study(big.volume))
        found = sum(nearest(out, n.centre) is not None for n in big.nodules)
        assert found >= 0.7 * len(big.nodules)
        assert set(out.stages_s) >= {"lungs", "nodules"}


class TestManifest:
    """``LungCt.manifest``."""

    def test_names_its_weights_and_evidence(self) -> None:
        record = APPLICATION.manifest
        assert record.id == "lung-ct"
        assert len(record.weights[0].sha256) == 64
        metrics = {e.metric: e.value for e in record.evidence}
        assert metrics["lung-dice"] >= 0.98
        assert metrics["sensitivity-4mm-2fp"] >= 0.70
        assert metrics["lung-volume-error"] <= 0.03

    def test_the_intervals_of_sizes_hold_on_other_phantoms_what_they_promise(self) -> None:
        record = APPLICATION.manifest
        held = {e.metric: e for e in record.evidence if e.metric.endswith("interval-coverage")}
        assert set(held) == {"diameter-interval-coverage", "volume-interval-coverage"}
        for figure in held.values():
            assert figure.n >= 100
            assert figure.high is not None and figure.high >= COVERAGE  # 0.95 is not ruled out
            assert figure.value >= COVERAGE - 0.03
        said = " ".join(text.en for text in record.limitations)
        assert f"{held['diameter-interval-coverage'].value:.1%} of the diameters" in said
        assert "95% intervals" in said
        assert "slices up to 2.5 mm" in said
