# SPDX-License-Identifier: Apache-2.0
"""The children's classifier: who is answered, what the answer rests on, and how it is told."""

import csv
import io
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from healthvision.clinical.phantoms.radiograph import radiograph
from healthvision.clinical.result import EvidenceLevel, Finding, GateOutcome, Laterality
from healthvision.clinical.study import ApplicationOutput, SeriesImage, SliceRef
from healthvision.clinical.volume import Array, Volume
from healthvision.plugins.applications.chest_xray import APPLICATION, pneumonia, signs
from healthvision.plugins.applications.chest_xray.ages import with_age
from healthvision.plugins.applications.chest_xray.drawing import Canvas
from healthvision.plugins.applications.chest_xray.manifest import LIMITATIONS
from healthvision.plugins.applications.chest_xray.pneumonia import (
    GATE,
    LEAST_SHARP,
    Answer,
    domain_gate,
    evidence_of,
    reference,
)
from tests.plugins.applications.chest_xray.test_application import (
    CONFIG,
    analyse,
    header,
    squared,
)
from tests.support.services import SHARED

BY_NAME = {e.metric: e for e in APPLICATION.manifest.evidence}
UNSEEN = "child-domain-refused-adults-covid-unseen"
SHARP = LEAST_SHARP + 0.2
CXR = SHARED / "data/cxr"


@cache
def kept(label: str) -> Array:
    """Return the first film of fold 0 with a label, in its own shape; skips without the data."""
    if not (CXR / "lung_masks/index.csv").exists():
        pytest.skip(f"data missing: {CXR / 'lung_masks'} (set HV_SHARED)")
    with (CXR / "pneumonia_pediatric/labels.csv").open() as file:
        held = {r["patient"] for r in csv.DictReader(file) if r["patient_fold"] == "0"}
    with (CXR / "lung_masks/index.csv").open() as file:
        rows = list(csv.DictReader(file))
    fits = [r for r in rows if label in (r["population"], r["agent"]) and
            (label == "adult" or r["patient"] in held)]  # fmt: skip
    with zipfile.ZipFile(CXR / "lung_masks/pairs_384.zip") as archive:
        image = Image.open(io.BytesIO(archive.read(fits[0]["image"]))).convert("L")
    return np.asarray(image, np.int16)


def gate_of(output: ApplicationOutput) -> GateOutcome:
    return next(g.outcome for g in output.gates if g.id == GATE)


def told(output: ApplicationOutput) -> list[Finding]:
    return [f for f in output.findings if f.code.value.startswith("pneumonia")]


class TestDomainGate:
    @pytest.mark.parametrize("age", [0, 6, 15, 50])
    def test_a_stated_age_outside_is_refused_whatever_the_picture(self, age: int) -> None:
        gate = domain_gate(age, -1e3, SHARP)
        assert gate.outcome is GateOutcome.FAILED
        assert str(age) in gate.reason.en
        assert gate.remedy is not None

    @pytest.mark.parametrize("age", [1, 5])
    def test_a_picture_unlike_the_known_ones_is_refused_whatever_the_age(self, age: int) -> None:
        gate = domain_gate(age, reference().look.limit + 0.01, SHARP)
        assert gate.outcome is GateOutcome.FAILED

    def test_an_unknown_age_is_refused_with_what_to_do_whatever_the_picture(self) -> None:
        limit = reference().look.limit
        assert domain_gate(3, limit, SHARP).outcome is GateOutcome.PASSED
        gate = domain_gate(None, -1e3, SHARP)
        assert gate.outcome is GateOutcome.FAILED
        assert "age is not stated" in gate.reason.en
        assert "未标明年龄" in gate.reason.zh
        assert gate.remedy is not None
        assert "State the age" in gate.remedy.en

    @pytest.mark.parametrize(
        ("doubt", "said"), [("unreadable", "cannot be read"), ("disagrees", "against the birth")]
    )
    def test_an_age_in_doubt_is_refused_with_the_reason(self, doubt: str, said: str) -> None:
        gate = domain_gate(3, -1e3, SHARP, doubt)
        assert gate.outcome is GateOutcome.FAILED
        assert said in gate.reason.en

    def test_a_blurred_film_is_refused_because_blur_looks_like_signs(self) -> None:
        gate = domain_gate(3, reference().look.limit, LEAST_SHARP - 0.01)
        assert gate.outcome is GateOutcome.FAILED
        assert "blurred" in gate.reason.en


class TestEvidence:
    def test_the_logit_is_the_mean_of_the_evidence(self) -> None:
        sheets = np.random.default_rng(3).random((3, 2, 96, 64)).astype(np.float32)
        logits, evidence = evidence_of(sheets)
        assert evidence.shape == (3, 2, 12, 8)
        assert np.allclose(logits, evidence.mean(axis=(1, 2, 3)), atol=1e-4)

    def test_a_change_low_in_one_lung_changes_the_evidence_there_alone(self) -> None:
        calm = np.random.default_rng(4).random((1, 2, 96, 64)).astype(np.float32)
        dense = calm.copy()
        dense[0, 1, 80:88, 24:40] = 1.5
        gap = np.abs(evidence_of(dense)[1] - evidence_of(calm)[1])[0]
        assert gap[0].max() < 1e-5
        assert gap[1, :6].max() < 1e-5
        assert gap[1, 8:].max() > 0.01


class TestWords:
    """``signs``, for answers of each kind."""

    def answer(self, p: float, *, yes: bool, no: bool) -> Answer:
        evidence = np.zeros((2, 12, 8))
        evidence[0, 6:9] = 1.0
        grid, marked = np.full((256, 256), np.nan), np.zeros((256, 256), bool)
        grid[100:160, 60:100], marked[120:140, 70:90] = 0.5, True
        return Answer(p, yes, no, evidence, grid, marked, 0.98)

    def finding(self, given: Answer) -> Finding | None:
        told = header({}, age=3)
        volume = Volume(np.zeros((1, 256, 256), np.int16), (1.0, 0.4, 0.4), (0.0, 0.0, 0.0),
                        np.eye(3))  # fmt: skip
        image = SeriesImage(told, volume, (SliceRef("1", "1.2.3.1.1"),))
        canvas = Canvas(np.full((256, 256), 0.4, np.float32), np.ones((256, 256), bool))
        drawn = signs.finding(image, canvas, given, given.marked)
        return None if drawn is None else drawn.finding

    def test_signs_come_with_probability_side_and_what_it_means_where_it_is_rare(self) -> None:
        found = self.finding(self.answer(0.9, yes=True, no=False))
        assert found is not None
        assert found.code.value == "pneumonia-signs-child"
        assert found.confidence.value == 0.9
        assert found.location.laterality is Laterality.RIGHT
        assert found.evidence_level is EvidenceLevel.E2
        first = found.explanation.text.en.split("; it comes")[0]
        assert "69 %" in first
        assert "were it 20 %" in first
        assert "(where 69 % are ill)" in found.label.en
        assert "69%患病" in found.label.zh
        assert "almost nothing outside" in found.explanation.text.en
        assert "几乎看不到" in found.explanation.text.zh
        assert found.explanation.overlay is not None
        assert found.explanation.overlay.images == ("key-signs-child.png",)

    @pytest.mark.parametrize("both", [True, False])
    def test_an_ambiguous_set_is_told_as_unsure(self, both: bool) -> None:
        given = self.answer(0.5, yes=both, no=both)
        found = self.finding(given)
        assert found is not None
        assert found.code.value == "pneumonia-unsure-child"
        assert found.label.en.startswith("unsure")
        assert "不确定" in found.label.zh
        assert "unsure" in found.explanation.text.en
        assert signs.told_none(given) is None

    def test_no_signs_give_no_finding_and_exclude_nothing(self) -> None:
        given = self.answer(0.02, yes=False, no=True)
        assert self.finding(given) is None
        said = signs.told_none(given)
        assert said is not None
        assert "low" in said.en
        assert "does not exclude" in said.en
        assert "不能据此排除" in said.zh

    @pytest.mark.parametrize("p", [0.1, 0.39])
    def test_a_probability_that_is_not_low_is_not_called_low(self, p: float) -> None:
        said = signs.told_none(self.answer(p, yes=False, no=True))
        assert said is not None
        assert "low" not in said.en
        assert "概率低" not in said.zh
        assert f"{p:.2f}" in said.en
        assert "'no signs' only" in said.en
        assert "does not exclude" in said.en

    @pytest.mark.parametrize(("p", "said"), [(0.99999, 0.99), (0.00001, 0.01), (0.837, 0.84)])
    def test_no_probability_is_told_as_certain(self, p: float, said: float) -> None:
        (told,) = signs.measurements(self.answer(p, yes=p > 0.5, no=p < 0.5))
        assert told.value == pytest.approx(100 * said)
        assert f"where {100 * reference().share:.0f} % are ill" in told.label.en
        assert len(told.code.meaning) <= 64  # of a Code Meaning in DICOM (LO)

    def test_nothing_is_called_a_diagnosis(self) -> None:
        for given in (self.answer(0.99, yes=True, no=False), self.answer(0.5, yes=True, no=True)):
            found = self.finding(given)
            assert found is not None
            assert "signs" in found.label.en
            assert "征象" in found.label.zh
            for text in (found.label, found.explanation.text):
                assert "诊断" not in text.zh
                assert "diagnos" not in text.en.lower()
        for p in (0.02, 0.39):
            none = signs.told_none(self.answer(p, yes=False, no=True))
            assert none is not None
            assert "诊断" not in none.zh
            assert "diagnos" not in none.en.lower()


class TestRun:
    def test_pneumonia_of_a_child_is_told_with_its_key_image_first(self) -> None:
        out = analyse(kept("bacteria"), age=3)
        (found,) = told(out)
        assert gate_of(out) is GateOutcome.PASSED
        assert found.code.value == "pneumonia-signs-child"
        assert out.findings[0] is found
        assert out.key_images[0].tracking_id == found.tracking_id
        assert any(m.code.value == "chest-child-probability" for m in out.measurements)
        inside = next(m.value for m in found.measurements if m.code.value == "chest-child-inside")
        assert inside > 90

    def test_a_normal_child_gets_a_probability_and_no_finding(self) -> None:
        out = analyse(kept("none"), age=3)
        assert gate_of(out) is GateOutcome.PASSED
        assert told(out) == []
        assert "does not exclude" in out.summary.en

    @pytest.mark.parametrize("label", ["bacteria", "none"])
    def test_a_child_of_unknown_age_is_not_answered(self, label: str) -> None:
        out = analyse(kept(label), age=None)
        assert gate_of(out) is GateOutcome.FAILED
        assert told(out) == []
        assert not any("child" in m.code.value for m in out.measurements)
        assert "age is not stated" in out.summary.en

    def test_an_adult_is_not_answered_and_still_measured(self) -> None:
        for age in (None, 50):
            out = analyse(kept("adult"), age=age)
            assert gate_of(out) is GateOutcome.FAILED
            assert told(out) == []
            assert not any("child" in m.code.value for m in out.measurements)
            assert out.segmentation is not None

    def test_a_blurred_film_of_a_child_is_not_answered(self) -> None:
        film = ndimage.gaussian_filter(kept("none").astype(float), 4.0)
        assert gate_of(analyse(film.astype(np.int16), age=3)) is GateOutcome.FAILED

    def test_what_lies_outside_the_lungs_does_not_change_the_answer(self) -> None:
        """A marker in the corner of the film leaves the probability where it was."""
        film = kept("bacteria").copy()
        before = next(m.value for m in analyse(film, age=3).measurements if "prob" in m.code.value)
        film[:24, :24] = 255
        after = next(m.value for m in analyse(film, age=3).measurements if "prob" in m.code.value)
        assert abs(before - after) <= 5


@pytest.fixture(scope="module")
def film() -> Array:
    return squared(radiograph(7300, CONFIG))


class TestSynthetic:
    """The whole application on a projected phantom that is stated to be a child; needs no data."""

    def test_a_film_of_a_child_goes_through_the_classifiers_gate(self, film: Array) -> None:
        out = analyse(film, age=3)
        gate = next(g for g in out.gates if g.id == GATE)
        assert out.abstained is None
        assert gate.outcome is not GateOutcome.WARNING
        assert (gate.outcome is GateOutcome.PASSED) is any(
            "child" in m.code.value for m in out.measurements
        )

    def test_one_that_the_gate_lets_through_is_told_with_its_number(
        self, film: Array, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The picture gate is opened: what comes after it runs on a film without patients' data."""
        known = reference()
        monkeypatch.setattr(pneumonia, "LEAST_SHARP", -1e6)
        monkeypatch.setattr(
            pneumonia, "reference", lambda: replace(known, look=replace(known.look, limit=1e6))
        )
        out = analyse(film, age=3)
        assert gate_of(out) is GateOutcome.PASSED
        assert any(m.code.value == "chest-child-probability" for m in out.measurements)
        assert bool(told(out)) is not ("does not exclude" in out.summary.en)

    def test_the_age_of_the_request_counts_where_the_film_states_none(self, film: Array) -> None:
        out = analyse(film, age=None, parameters={"patient_age_years": 50})
        gate = next(g for g in out.gates if g.id == GATE)
        assert "the patient is 50" in gate.reason.en


class TestAge:
    """``with_age``."""

    def image(self, age: int | None, doubt: str = "") -> SeriesImage:
        told = replace(header({}, age=age), age_doubt=doubt)
        volume = Volume(np.zeros((1, 8, 8), np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
        return SeriesImage(told, volume, (SliceRef("1", "1.2.3.1.1"),))

    @pytest.mark.parametrize(
        ("age", "doubt", "given", "years", "left"),
        [
            (None, "", 3, 3, ""),
            (None, "unreadable", 3, 3, ""),
            (None, "", None, None, ""),
            (3, "", 4, 3, ""),
            (3, "", 40, 3, "disagrees"),
            (3, "disagrees", 3, 3, "disagrees"),
            (None, "", -1, None, "unreadable"),
            (None, "", "three", None, "unreadable"),
            (None, "", True, None, "unreadable"),
        ],
    )
    def test_takes_the_callers_age_only_where_the_header_has_none(
        self, age: int | None, doubt: str, given: object, years: int | None, left: str
    ) -> None:
        found = with_age(self.image(age, doubt), {"patient_age_years": given}).header
        assert (found.patient_age_years, found.age_doubt) == (years, left)


class TestRecord:
    """The targets of the classifier hold in the evidence record, and the card repeats it."""

    @pytest.mark.parametrize(
        ("metric", "least", "most"),
        [("child-auc", 0.97, 1), ("child-cv-auc", 0.97, 1), ("child-ece", 0, 0.05),
         ("child-cv-ece", 0, 0.05), ("child-brier-skill", 0.01, 1),
         ("child-cv-conformal-coverage", 0.88, 0.92), ("child-set-size", 0, 1.5),
         ("child-ece-unsqueezed", 0, 0.05),
         ("child-conformal-coverage-unsqueezed", 0.85, 0.95),
         ("child-inside-p05", 0.85, 1),
         ("child-sheet-inside-p05", 0.9, 1),
         ("child-domain-refused-adults-covid-unseen", 0.95, 1),
         ("child-domain-answered-children", 0.95, 1),
         ("child-domain-refused-adults-covid", 0.95, 1),
         ("child-domain-refused-adults-tb", 0.95, 1),
         ("gate-analysed-all-adults", 0.9, 1),
         ("child-changed-blurred-refused-normal", 0.95, 1),
         ("child-erase-marked-beats-random", 0.9, 1)],
    )  # fmt: skip
    def test_targets(self, metric: str, least: float, most: float) -> None:
        assert least <= BY_NAME[metric].value <= most

    def test_the_card_tells_the_shortcuts_and_their_figures(self) -> None:
        text = " ".join(t.en for t in LIMITATIONS)
        for name in ("outer-frame", "lungs-blacked-out", "lung-outline", "whole-image"):
            assert f"{BY_NAME[f'audit-linear-{name}-auc'].value:.2f}" in text
        assert "no external validation" in text
        assert "no diagnosis" in text

    def test_the_card_tells_the_shape_the_unseen_adults_and_what_lies_outside(self) -> None:
        text = " ".join(t.en for t in LIMITATIONS)
        own, unseen = BY_NAME["child-ece-unsqueezed"], BY_NAME[UNSEEN]
        assert "films squeezed to 224 x 224" in text
        assert f"{own.value:.3f} ({own.low:.3f}-{own.high:.3f})" in text
        assert f"{round(unseen.value * unseen.n)}/{unseen.n} with COVID-19" in text
        assert "almost nothing outside" in text
        assert "nothing outside them, nor" not in text
        assert "without a stated age" in text
