# SPDX-License-Identifier: Apache-2.0
"""Band tables: every limit +-0.1, a second encoding on random inputs, refusals and ranges."""

import bisect
import math
import random

import pytest

from healthvision.clinical.guidelines import GuidelineInputError
from healthvision.clinical.guidelines.bands import DRAFT, Band, BandTable
from healthvision.clinical.guidelines.bone_aorta_brain import (
    ABDOMINAL_AORTA,
    AORTA_RATIO,
    EVANS,
    FRAMINGHAM_MM,
    OPPORTUNISTIC_L1,
    QCT_SPINE,
    aorta_at,
    aorta_change,
    aorta_range,
)
from healthvision.clinical.guidelines.chest_scores import (
    CTR_AP,
    CTR_NEONATE,
    CTR_PA,
    CTSS_LOBE,
    EMPHYSEMA_ZONE,
    LAA950,
    LOBES,
    cardiothoracic,
    corrected_heart_mm,
    severity_score,
    worst_zone,
)
from healthvision.clinical.guidelines.rules import RuleTableError
from healthvision.clinical.result import Text

WORDS = Text(zh="词", en="word")

# per table: limits; whether a value equal to the limit belongs to the lower grade; grades
BY_HAND: dict[str, tuple[BandTable, list[float], list[bool], list[str]]] = {
    "ctss": (CTSS_LOBE, [0, 5, 25, 50, 75], [True, False, True, False, True], list("012345")),
    "emphysema": (
        EMPHYSEMA_ZONE,
        [0, 0.5, 5],
        [True, False, True],
        ["none", "trace", "mild", "moderate-or-more"],
    ),
    "laa": (LAA950, [5, 6], [False, False], ["below-limit", "borderline", "emphysema"]),
    "ctr-pa": (CTR_PA, [0.5], [True], ["normal", "enlarged"]),
    "ctr-ap": (CTR_AP, [0.55], [True], ["normal", "enlarged"]),
    "ctr-neonate": (CTR_NEONATE, [0.66], [True], ["normal", "enlarged"]),
    "qct": (QCT_SPINE, [80, 120], [False, True], ["osteoporosis", "low", "normal"]),
    "l1": (
        OPPORTUNISTIC_L1,
        [100, 110, 160, 200],
        [False, True, True, True],
        ["very-low", "specific", "sensitive", "between", "safe"],
    ),
    "evans": (EVANS, [0.3], [True], ["not-enlarged", "enlarged"]),
    "aaa": (ABDOMINAL_AORTA, [30], [False], ["not-aneurysmal", "aneurysm"]),
    "aorta": (AORTA_RATIO, [1.5], [False], ["usual", "aneurysm"]),
}


def second(limits: list[float], low_side: list[bool], grades: list[str], value: float) -> str:
    """Count the limits passed: another way than the table of intervals."""
    i = bisect.bisect_left(limits, value)
    if i < len(limits) and value == limits[i] and not low_side[i]:
        i += 1
    return grades[i]


class TestBandTable:
    @pytest.mark.parametrize("name", BY_HAND)
    def test_each_limit_and_a_tenth_around_it(self, name: str) -> None:
        table, limits, low_side, grades = BY_HAND[name]
        for i, limit in enumerate(limits):
            step = 0.1 if max(limits) > 2 else 0.001
            before, after = grades[i], grades[i + 1]
            if limit - step >= table.low:
                assert table.grade(limit - step).value == before
            assert table.grade(limit).value == (before if low_side[i] else after)
            assert table.grade(limit + step).value == after

    @pytest.mark.parametrize("name", BY_HAND)
    def test_agrees_with_a_second_encoding_on_random_inputs(self, name: str) -> None:
        table, limits, low_side, grades = BY_HAND[name]
        rng = random.Random(5)
        top = min(table.high, 2 * max(limits))
        for k in range(10_000):
            value = rng.choice(limits) if k % 20 == 0 else rng.uniform(table.low, top)
            value = round(value, 1) if k % 3 == 0 and max(limits) > 2 else value
            assert table.grade(value).value == second(limits, low_side, grades, value)

    @pytest.mark.parametrize("name", BY_HAND)
    def test_missing_and_impossible_numbers_are_refused_by_name(self, name: str) -> None:
        table = BY_HAND[name][0]
        for bad in (None, math.nan, math.inf, table.low - 1):
            with pytest.raises(GuidelineInputError, match=table.fact):
                table.grade(bad)

    @pytest.mark.parametrize("name", BY_HAND)
    def test_an_unknown_number_can_have_every_grade(self, name: str) -> None:
        table, _, _, grades = BY_HAND[name]
        assert list(table.possible(None, None)) == grades

    def test_a_narrower_range_has_fewer_grades(self) -> None:
        assert CTSS_LOBE.possible(3, 20) == ("1", "2")
        with pytest.raises(GuidelineInputError, match="upside down"):
            CTSS_LOBE.possible(60, 20)

    def test_drafts_say_so_first_and_verified_ones_do_not(self) -> None:
        assert LAA950.grade(5.5).assumptions[0] == DRAFT
        assert DRAFT not in CTR_PA.grade(0.4).assumptions

    def test_bands_out_of_order_are_a_bug(self) -> None:
        with pytest.raises(RuleTableError):
            BandTable("t", "x", "1", (Band("a", None, WORDS), Band("b", 3, WORDS),
                                      Band("c", 2, WORDS)), "s")  # fmt: skip


class TestSeverityScore:
    def test_five_lobes_add_up(self) -> None:
        values = dict(zip(LOBES, (0.0, 4.9, 5.0, 50.0, 80.0), strict=True))
        assert severity_score(values).score == 0 + 1 + 2 + 4 + 5

    def test_a_missing_lobe_gives_the_range_over_it(self) -> None:
        values: dict[str, float | None] = dict.fromkeys(LOBES, 30.0)
        values["left-lower"] = None
        found = severity_score(values)
        assert (found.score, found.low, found.high) == (None, 12, 17)
        assert found.missing == ("left-lower",)

    def test_other_names_are_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="lobes"):
            severity_score({"upper": 3.0})


class TestCardiothoracic:
    def test_the_view_decides_the_limit(self) -> None:
        assert cardiothoracic(0.53, view="PA").value == "enlarged"
        assert cardiothoracic(0.53, view="AP").value == "normal"
        assert cardiothoracic(0.60, view=None, neonate=True).value == "normal"

    def test_an_unknown_view_is_refused(self) -> None:
        with pytest.raises(GuidelineInputError, match="view"):
            cardiothoracic(0.5, view=None)

    def test_an_ap_heart_is_made_smaller(self) -> None:
        assert corrected_heart_mm(150, 100) == pytest.approx(150 * 0.889)
        with pytest.raises(GuidelineInputError, match="distance"):
            corrected_heart_mm(150, 30)


class TestAorta:
    @pytest.mark.parametrize("sex", ["M", "F"])
    def test_one_and_a_half_times_the_mean_is_an_aneurysm(self, sex: str) -> None:
        for segment, mean in FRAMINGHAM_MM[sex].items():
            limit = 1.5 * mean
            found = [aorta_at(segment, limit + d, sex=sex).value for d in (-0.1, 0, 0.1)]
            assert found == ["usual", "aneurysm", "aneurysm"]

    def test_without_a_sex_the_range_is_given(self) -> None:
        assert aorta_range("ascending", 49.0) == ("aneurysm", "usual")
        assert aorta_range("ascending", 30.0) == ("usual",)
        with pytest.raises(GuidelineInputError, match="sex"):
            aorta_at("ascending", 40, sex=None)

    def test_five_millimetres_are_noise(self) -> None:
        assert [aorta_change(40, 40 + d).beyond_noise for d in (4.9, 5.0, 5.1)] == [
            False,
            False,
            True,
        ]


class TestWorstZone:
    def test_the_worst_zone_decides(self) -> None:
        assert worst_zone([0.1, 7.0, 2.0]).value == "moderate-or-more"
        with pytest.raises(GuidelineInputError):
            worst_zone([])
