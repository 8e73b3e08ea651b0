# SPDX-License-Identifier: Apache-2.0
"""Limits for bone density on CT, aortic diameters and the Evans index. Clinical notes 3.9-3.11."""

import math
from dataclasses import dataclass

from healthvision.clinical.guidelines.bands import Band, BandTable
from healthvision.clinical.guidelines.facts import GuidelineInputError
from healthvision.clinical.result import Category, Text

QCT_SPINE = BandTable(
    id="qct-spine",
    fact="bmd_mg_cm3",
    unit="mg/cm3",
    bands=(
        Band("osteoporosis", None, Text(zh="骨质疏松", en="osteoporosis")),
        Band("low", 80, Text(zh="骨量减低", en="low bone mass")),
        Band("normal", math.nextafter(120, 121), Text(zh="正常", en="normal")),
    ),
    source="PMC7495321 T2, in line with the 2018 guide",
    low=-100.0,
    high=500.0,
    notes=(
        Text(
            zh="适用于绝经后女性和老年男性；取两个腰椎松质骨均值，需存有该扫描仪的校准。",
            en="For post-menopausal women and older men; mean of two lumbar vertebrae, with a "
            "stored calibration of the scanner.",
        ),
    ),
)

OPPORTUNISTIC_L1 = BandTable(
    id="opportunistic-l1-hu",
    fact="l1_hu",
    unit="[hnsf'U]",
    bands=(
        Band("very-low", None, Text(
            zh="L1 < 100 HU：很可能骨质疏松", en="L1 below 100 HU: osteoporosis is likely")),
        Band("specific", 100, Text(
            zh="L1 100-110 HU：特异度 > 90 %", en="L1 100-110 HU: specificity above 90 %")),
        Band("sensitive", math.nextafter(110, 111), Text(
            zh="L1 111-160 HU：建议 DXA 或 QCT", en="L1 111-160 HU: DXA or QCT suggested")),
        Band("between", math.nextafter(160, 161), Text(
            zh="L1 161-200 HU：骨质疏松可能性小", en="L1 161-200 HU: osteoporosis is unlikely")),
        Band("safe", math.nextafter(200, 201), Text(
            zh="L1 > 200 HU：阴性预测值 99 %", en="L1 above 200 HU: NPV 99 %")),
    ),
    source="Pickhardt 2013 (120 kVp, no contrast)",
    low=-200.0,
    high=1000.0,
    notes=(Text(zh="HU 不是骨密度：不给出 T 值。", en="HU are no bone density: no T score."),),
)  # fmt: skip

EVANS = BandTable(
    id="evans-index",
    fact="evans",
    unit="1",
    bands=(
        Band("not-enlarged", None, Text(zh="脑室未见增大", en="ventricles not enlarged")),
        Band("enlarged", 0.30, Text(
            zh="脑室增大（Evans > 0.30）；随年龄增长，需结合临床",
            en="ventricles enlarged (Evans above 0.30); rises with age, read with the patient")),
    ),
    source="Evans 1942; several listings agree on 0.30",
    low=0.05,
    high=0.9,
    closed_above=True,
)  # fmt: skip

ABDOMINAL_AORTA = BandTable(
    id="aaa-diameter",
    fact="aorta_mm",
    unit="mm",
    bands=(
        Band("not-aneurysmal", None, Text(zh="未达动脉瘤界值", en="below the aneurysm limit")),
        Band("aneurysm", 30, Text(zh="腹主动脉瘤（≥ 30 mm）", en="abdominal aneurysm (>= 30 mm)")),
    ),
    source="secondary: aneurysm of the abdominal aorta from 30 mm",
    low=3.0,
    high=200.0,
    draft=True,
)

# Framingham CT means in mm, by sex: ascending, descending, infrarenal, lower abdominal
FRAMINGHAM_MM: dict[str, dict[str, float]] = {
    "M": {"ascending": 34.1, "descending": 25.8, "infrarenal": 19.3, "lower-abdominal": 18.7},
    "F": {"ascending": 31.9, "descending": 23.1, "infrarenal": 16.7, "lower-abdominal": 16.0},
}
ANEURYSM_RATIO = 1.5

AORTA_RATIO = BandTable(
    id="aorta-ratio",
    fact="aorta_ratio",
    unit="1",
    bands=(
        Band("usual", None, Text(zh="未达扩张界值", en="below the aneurysm limit")),
        Band("aneurysm", ANEURYSM_RATIO, Text(
            zh="≥ 同性别均值的 1.5 倍", en="1.5 times the mean of the sex or more")),
    ),
    source="Framingham CT means; aneurysm from 1.5 times (secondary)",
    low=0.1,
    high=10.0,
    draft=True,
)  # fmt: skip

CHANGE_NOISE_MM = 5.0  # changes up to 3-5 mm are measuring noise, s41747-023-00342-z


def aorta_at(segment: str, diameter_mm: float | None, *, sex: str | None) -> Category:
    """Grade one aortic diameter (mm, outer to outer, perpendicular) against the mean of a sex.

    Raises GuidelineInputError for an unknown segment or sex or an impossible diameter. Without a
    sex ask ``aorta_range`` instead.
    """
    if sex not in FRAMINGHAM_MM:
        raise GuidelineInputError("sex: M or F is needed, the means differ")
    if segment not in FRAMINGHAM_MM[sex]:
        raise GuidelineInputError(f"segment: unknown {segment!r}")
    if diameter_mm is None or not 3 <= diameter_mm <= 200:
        raise GuidelineInputError(f"diameter_mm: {diameter_mm!r} is outside 3..200")
    return AORTA_RATIO.grade(round(diameter_mm / FRAMINGHAM_MM[sex][segment], 6))


def aorta_range(segment: str, diameter_mm: float) -> tuple[str, ...]:
    """Return the grades possible while the sex is not known."""
    grades = [aorta_at(segment, diameter_mm, sex=sex).value for sex in FRAMINGHAM_MM]
    return tuple(sorted(set(grades)))


@dataclass(frozen=True, slots=True)
class Change:
    """Growth of a diameter in mm, and whether it exceeds the noise of measuring."""

    mm: float
    beyond_noise: bool


def aorta_change(before_mm: float, now_mm: float) -> Change:
    """Compare two diameters; changes of 5 mm or less are not told from noise."""
    grown = round(now_mm - before_mm, 6)
    return Change(grown, abs(grown) > CHANGE_NOISE_MM)
