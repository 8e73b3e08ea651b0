# SPDX-License-Identifier: Apache-2.0
"""chest-xray end to end on a projected phantom: gates, sides, ratio, abstention, contract."""

import hashlib
from importlib import resources

import numpy as np
import pytest

from healthvision.clinical.phantoms import ChestConfig
from healthvision.clinical.phantoms.radiograph import (
    RadiographConfig,
    RadiographPhantom,
    radiograph,
)
from healthvision.clinical.result import GateOutcome, Laterality
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Array, Volume
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.domains.modelhub.service import accepted
from healthvision.plugins.applications.chest_xray import APPLICATION

CONFIG = RadiographConfig(
    chest=ChestConfig(shape=(112, 120, 120), spacing=(2.7, 2.8, 2.8), nodules=0)
)


def analyse(
    film: Array, *, modality: str = "DX", age: int | None = 50, **extra: str
) -> ApplicationOutput:
    """Run the application on one film of adult PA by default."""
    told: dict[str, str | int | float] = {"ViewPosition": "PA", "PatientOrientation": "L\\F"}
    told |= extra
    header = SeriesHeader(
        "1.2.3", "1.2.3.1", modality, "1.2.840.10008.5.1.4.1.1.1.1",
        body_part="CHEST", patient_age_years=age, instance_count=1,
        extra={k: v for k, v in told.items() if v},
    )  # fmt: skip
    direction = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    volume = Volume(film[None], (1.0, 0.4, 0.4), (0.0, 0.0, 0.0), direction)
    image = SeriesImage(header, volume, (SliceRef("1", "1.2.3.1.1"),))
    given = StudyInput([header], lambda _: image)
    return APPLICATION.run(given, Context(0, lambda share, stage: None))


def outcomes(output: ApplicationOutput) -> dict[str, GateOutcome]:
    return {g.id: g.outcome for g in output.gates}


@pytest.fixture(scope="module")
def subject() -> RadiographPhantom:
    return radiograph(7300, CONFIG)


@pytest.fixture(scope="module")
def film(subject: RadiographPhantom) -> Array:
    return np.asarray(np.kron(subject.pixels, np.ones((2, 2))), np.int16)


@pytest.fixture(scope="module")
def result(film: Array) -> ApplicationOutput:
    return analyse(film)


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

    def test_no_finding_names_a_disease_or_invents_a_confidence(
        self, result: ApplicationOutput
    ) -> None:
        for finding in result.findings:
            assert finding.confidence.value is None
            assert "pneumonia" not in finding.label.en.lower()


class TestGates:
    @pytest.mark.parametrize(
        ("age", "view"), [(50, "AP"), (50, ""), (6, "PA")], ids=["ap", "unknown", "child"]
    )
    def test_no_ratio_but_on_an_adults_pa(self, film: Array, age: int, view: str) -> None:
        out = analyse(film, age=age, ViewPosition=view)
        assert out.abstained is None
        assert outcomes(out)["heart"] is GateOutcome.FAILED
        assert not any(m.code.value == "chest-ctr" for m in out.measurements)

    def test_a_supine_film_gets_no_ratio(self, film: Array) -> None:
        out = analyse(film, ProtocolName="Bedside chest")
        assert outcomes(out)["heart"] is GateOutcome.FAILED

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
    def test_weights_are_those_that_the_manifest_names(self) -> None:
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
        header = SeriesHeader("1", "1.1", modality, "1", body_part=part, instance_count=1)
        assert bool(accepted(APPLICATION.manifest, [header])) is fits

    def test_every_claim_is_measured(self) -> None:
        named = {e.metric for e in APPLICATION.manifest.evidence}
        assert {"lung-dice-children", "lung-dice-adults", "ctr-error"} <= named
