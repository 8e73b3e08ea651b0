# SPDX-License-Identifier: Apache-2.0
"""chest-xray end to end on a projected phantom: gates, sides, ratio, abstention, contract."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from healthvision.clinical.phantoms import ChestConfig
from healthvision.clinical.phantoms.radiograph import (
    RadiographConfig,
    RadiographPhantom,
    radiograph,
)
from healthvision.clinical.radiograph.heart import Heart, measure_heart
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.result import GateOutcome, Laterality
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Array, Volume
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.domains.modelhub.service import accepted
from healthvision.plugins.applications.chest_xray import APPLICATION, application
from healthvision.plugins.applications.chest_xray.checks import ratio_gate
from healthvision.plugins.applications.chest_xray.manifest import LIMITATIONS

CONFIG = RadiographConfig(
    chest=ChestConfig(shape=(112, 120, 120), spacing=(2.7, 2.8, 2.8), nodules=0)
)


LUNGS = LungFields(
    np.zeros((4, 4), bool), np.zeros((4, 4), bool), certainty=1, edge=0, tilt=0, fill=1, balance=1
)


def header(extra: Mapping[str, str], *, modality: str = "DX", age: int | None = 50) -> SeriesHeader:
    """Return the header of an adult's PA film by default."""
    told: dict[str, str | int | float] = {"ViewPosition": "PA", "PatientOrientation": "L\\F"}
    told |= extra
    return SeriesHeader(
        "1.2.3", "1.2.3.1", modality, "1.2.840.10008.5.1.4.1.1.1.1",
        body_part="CHEST", patient_age_years=age, instance_count=1,
        extra={k: v for k, v in told.items() if v},
    )  # fmt: skip


def analyse(
    film: Array,
    *,
    modality: str = "DX",
    age: int | None = 50,
    parameters: Mapping[str, int] | None = None,
    **extra: str,
) -> ApplicationOutput:
    """Run the application on one film of adult PA by default."""
    told = header(extra, modality=modality, age=age)
    direction = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    volume = Volume(film[None], (1.0, 0.4, 0.4), (0.0, 0.0, 0.0), direction)
    image = SeriesImage(told, volume, (SliceRef("1", "1.2.3.1.1"),))
    given = StudyInput([told], lambda _: image)
    return APPLICATION.run(given, Context(0, lambda share, stage: None, parameters or {}))


def outcomes(output: ApplicationOutput) -> dict[str, GateOutcome]:
    return {g.id: g.outcome for g in output.gates}


@pytest.fixture(scope="module")
def subject() -> RadiographPhantom:
    return radiograph(7300, CONFIG)


@pytest.fixture(scope="module")
def film(subject: RadiographPhantom) -> Array:
    return squared(subject)


@pytest.fixture(scope="module")
def result(film: Array) -> ApplicationOutput:
    return analyse(film)


def squared(subject: RadiographPhantom) -> Array:
    return np.asarray(np.kron(subject.pixels, np.ones((2, 2))), np.int16)


@pytest.fixture(scope="module")
def with_ball() -> Array:
    """A film with a ball of 52 mm radius in the right lung."""
    return squared(radiograph(7300, replace(CONFIG, opacity_mm=52.0)))


class TestRun:
    """``ChestXray.run``."""

    def test_lungs_lie_on_the_patients_own_sides(
        self, film: Array, result: ApplicationOutput
    ) -> None:
        assert result.abstained is None
        assert result.segmentation is not None
        labels = result.segmentation.labels.voxels[0]
        assert labels.shape == film.shape
        columns = np.arange(film.shape[1])
        right, left = ((labels == n).sum(axis=0) @ columns / (labels == n).sum() for n in (1, 2))
        assert right < film.shape[1] / 2 < left

    def test_the_lung_fields_agree_with_the_truth(
        self, subject: RadiographPhantom, result: ApplicationOutput
    ) -> None:
        assert result.segmentation is not None
        found = result.segmentation.labels.voxels[0][::2, ::2] > 0
        both = 2 * (found & subject.lungs).sum() / (found.sum() + subject.lungs.sum())
        assert both > 0.93

    def test_the_ratio_has_its_interval_around_the_truth(
        self, subject: RadiographPhantom, result: ApplicationOutput
    ) -> None:
        ratio = next(m for m in result.measurements if m.code.value == "chest-ctr")
        assert ratio.interval is not None
        assert ratio.interval.low <= subject.ctr <= ratio.interval.high

    def test_a_mirrored_film_with_its_orientation_gives_the_same_sides(self, film: Array) -> None:
        out = analyse(film[:, ::-1].copy(), PatientOrientation="R\\F")
        assert out.segmentation is not None
        labels = out.segmentation.labels.voxels[0]
        columns = np.arange(film.shape[1])
        right = (labels == 1).sum(axis=0) @ columns / (labels == 1).sum()
        assert right > film.shape[1] / 2
        assert out.segmentation.segments[0].laterality is Laterality.RIGHT

    def test_inverted_greys_are_mended_and_said(self, film: Array) -> None:
        out = analyse((4095 - film).astype(np.int16))
        assert out.abstained is None
        assert any(g.id == "greys" and g.outcome is GateOutcome.WARNING for g in out.gates)

    def test_a_ratio_whose_interval_passes_the_limit_does_not_exclude_a_large_heart(
        self, film: Array, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wider(pixels: Array, fields: LungFields) -> Heart | None:
            heart = measure_heart(pixels, fields)
            return None if heart is None else replace(heart, ratio=0.46, high=0.52)

        monkeypatch.setattr(application, "measure_heart", wider)
        result = analyse(film)
        ratio = next(m for m in result.measurements if m.code.value == "chest-ctr")
        assert ratio.interval is not None
        assert ratio.value <= 0.5 < ratio.interval.high
        for text in (result.summary, ratio.label):
            assert "an enlarged heart is not excluded" in text.en
            assert "不能排除心影增大" in text.zh

    def test_a_film_without_marks_is_not_called_normal(self, result: ApplicationOutput) -> None:
        assert result.findings == ()
        assert result.negatives == ()
        assert "does not mean normal" in result.summary.en
        assert "不等于正常" in result.summary.zh

    def test_a_planted_opacity_is_reported_on_its_side(self, with_ball: Array) -> None:
        (finding,) = analyse(with_ball).findings
        assert finding.code.value == "lung-opacity"
        assert finding.location.laterality is Laterality.RIGHT

    def test_one_too_small_to_be_reported_is_not_denied(self) -> None:
        """36 mm of radius mark less than is reported: nothing wrong may be said of it."""
        out = analyse(squared(radiograph(7300, replace(CONFIG, opacity_mm=36.0))))
        assert out.findings == ()
        assert out.negatives == ()
        assert "does not mean normal" in out.summary.en

    def test_no_finding_names_a_disease_or_invents_a_confidence(self, with_ball: Array) -> None:
        out = analyse(with_ball)
        assert out.findings
        diseases = ("pneumonia", "tuberculosis", "covid", "cancer", "tumour", "effusion")
        for finding in out.findings:
            assert finding.confidence.value is None
            told = f"{finding.label.en} {finding.code.meaning} {out.summary.en}".lower()
            assert not [d for d in diseases if d in told]


class TestExplanation:
    """The words follow the comparison that marked."""

    def text(self, film: Array, age: int | None) -> str:
        (finding,) = analyse(film, age=age).findings
        return finding.explanation.text.en

    def test_a_young_child_is_compared_with_normals_of_its_age(self, with_ball: Array) -> None:
        said = self.text(with_ball, 3)
        assert "far denser than normal films" in said
        assert "of another age" not in said

    @pytest.mark.parametrize("age", [0, 8, 50, None])
    def test_others_are_compared_with_the_other_lung_and_told_whose_normals(
        self, with_ball: Array, age: int | None
    ) -> None:
        said = self.text(with_ball, age)
        assert "than the same place of the other lung" in said
        assert "far denser" not in said
        assert "children of 1 to 5 years; this patient is of another age" in said


class TestGates:
    @pytest.mark.parametrize(
        ("age", "view"), [(50, "AP"), (50, ""), (6, "PA")], ids=["ap", "unknown", "child"]
    )
    def test_no_ratio_but_on_an_adults_pa(self, film: Array, age: int, view: str) -> None:
        out = analyse(film, age=age, ViewPosition=view)
        assert out.abstained is None
        assert outcomes(out)["heart"] is GateOutcome.FAILED
        assert not any(m.code.value == "chest-ctr" for m in out.measurements)

    @pytest.mark.parametrize(
        "told",
        [{"ProtocolName": "Bedside chest"}, {"StudyDescription": "胸部ICU床旁"},
         {"StudyDescription": "NICU chest"}, {"ProtocolName": "Chest AP"},
         *({"PatientPosition": p} for p in
           ("HFS", "FFS", "HFDR", "HFDL", "FFDR", "FFDL", "HFP", "ffp"))],
        ids=str,
    )  # fmt: skip
    def test_a_lying_or_ap_film_gets_no_ratio(self, told: dict[str, str]) -> None:
        assert ratio_gate(header(told), LUNGS).outcome is GateOutcome.FAILED

    @pytest.mark.parametrize(
        "told",
        [{"ProtocolName": "Ventricular lead check"}, {"StudyDescription": "Chest PA / AP"},
         {"ProtocolName": "Chest PA erect"}, {"PatientPosition": ""}],
        ids=str,
    )  # fmt: skip
    def test_words_that_only_look_like_it_do_not_stop_the_ratio(self, told: dict[str, str]) -> None:
        assert ratio_gate(header(told), LUNGS).outcome is GateOutcome.PASSED

    def test_sides_that_are_assumed_are_said(self, film: Array) -> None:
        assert outcomes(analyse(film, PatientOrientation=""))["side"] is GateOutcome.WARNING

    @pytest.mark.parametrize(("view", "orientation"), [("LL", ""), ("", "A\\F")])
    def test_a_lateral_film_is_refused_with_a_remedy(
        self, film: Array, view: str, orientation: str
    ) -> None:
        out = analyse(film, ViewPosition=view, PatientOrientation=orientation)
        assert out.abstained is not None
        gate = next(g for g in out.gates if g.id == "view")
        assert gate.outcome is GateOutcome.FAILED
        assert gate.remedy is not None

    def test_a_ct_slice_and_noise_are_no_chest_film(self) -> None:
        y, x = np.mgrid[:300, :300]
        body = ((x - 150) / 130) ** 2 + ((y - 150) / 100) ** 2 < 1
        holes = (((abs(x - 150) - 60) / 40) ** 2 + ((y - 150) / 60) ** 2) < 1
        slice_ = np.where(body, np.where(holes, 100, 1000), 0).astype(np.int16)
        noise = np.random.default_rng(2).integers(0, 4000, (300, 300)).astype(np.int16)
        for picture in (slice_, noise):
            out = analyse(picture)
            assert out.abstained is not None
            assert outcomes(out)["chest"] is GateOutcome.FAILED

    def test_ct_and_tiny_pictures_are_refused(self, film: Array) -> None:
        assert analyse(film, modality="CT").abstained is not None
        assert analyse(film[::8, ::8].copy()).abstained is not None


class TestManifest:
    def test_weights_are_those_that_were_measured(self) -> None:
        """The evaluation wrote the digests next to its figures; the manifest repeats them."""
        assert len(APPLICATION.manifest.weights) == 4
        for weights in APPLICATION.manifest.weights:
            data = resources.files("healthvision").joinpath(weights.path.split("/", 1)[1])
            assert hashlib.sha256(data.read_bytes()).hexdigest() == weights.sha256
            assert len(data.read_bytes()) < 16 * 2**20

    @pytest.mark.parametrize(
        ("modality", "part", "fits"),
        [("DX", "CHEST", True), ("CR", "", True), ("OT", "CHEST", True), ("OT", "", False),
         ("DX", "HAND", False), ("CT", "CHEST", False)],
    )  # fmt: skip
    def test_accepts_chest_films(self, modality: str, part: str, fits: bool) -> None:
        told = SeriesHeader("1", "1.1", modality, "1", body_part=part, instance_count=1)
        assert bool(accepted(APPLICATION.manifest, [told])) is fits

    def test_every_claim_is_measured(self) -> None:
        named = {e.metric for e in APPLICATION.manifest.evidence}
        assert {"lung-dice-children", "lung-dice-adults", "ctr-error"} <= named

    def test_shares_have_intervals_that_say_how_few_were_seen(self) -> None:
        for e in APPLICATION.manifest.evidence:
            assert e.low is not None
            assert e.high is not None
            assert e.low < e.high, e.metric

    def test_the_limitations_repeat_what_was_measured(self) -> None:
        told = " ".join(t.en for t in LIMITATIONS)
        by_name = {e.metric: e for e in APPLICATION.manifest.evidence}
        for metric, what in (
            ("opacity-reported-ball-36mm", "{} of {} planted balls of 36 mm"),
            ("opacity-reported-ball-52mm", "{} of {} of 52 mm"),
            ("opacity-marked-pneumonia-children", "{} of {} children with pneumonia"),
            ("opacity-marked-covid-adults", "{} of {} adults with COVID-19"),
        ):
            e = by_name[metric]
            assert what.format(round(e.value * e.n), e.n) in told
        for group in ("children", "adults"):
            e = by_name[f"opacity-unmarked-normal-{group}"]
            assert f"{round((1 - e.value) * e.n)} of {e.n} normal {group}" in told
