# SPDX-License-Identifier: Apache-2.0
"""Malignancy risk of a lung nodule: Brock (PanCan), Mayo, Veterans Affairs, Peking University.

Coefficients with their sources; lengths in mm, ages in years. The domains are those of the
cohorts where they are known, else wide enough to catch slips (an age of 6, a nodule of 80 mm).
"""

from healthvision.clinical.result import Text
from healthvision.clinical.risk.engine import LogisticModel, Term

ROOT_OF_4_MM = 1.58113883  # (4 / 10) ** -0.5: Brock's centre of size

_AGE = Text(zh="年龄", en="age")
_SIZE = Text(zh="直径", en="diameter")
_FEMALE = Text(zh="女性", en="female")
_FAMILY = Text(zh="肺癌家族史", en="family history of lung cancer")
_FAMILY_ANY = Text(zh="肿瘤家族史", en="family history of cancer")
_EMPHYSEMA = Text(zh="肺气肿", en="emphysema")
_UPPER = Text(zh="上叶", en="upper lobe")
_PART = Text(zh="部分实性", en="part-solid")
_GROUND = Text(zh="磨玻璃", en="ground-glass")
_COUNT = Text(zh="结节数", en="number of nodules")
_SPICULES = Text(zh="毛刺", en="spiculation")
_SMOKER = Text(zh="吸烟史", en="ever smoker")
_CANCER = Text(zh="5 年以前的胸外肿瘤", en="extrathoracic cancer more than 5 years ago")
_QUIT = Text(zh="戒烟年数", en="years since quitting")
_CALCIUM = Text(zh="钙化", en="calcification")
_SMOOTH = Text(zh="边缘光滑", en="smooth border")


def _age(weight: float, centre: float = 0.0) -> Term:
    return Term("age_years", weight, "linear", _AGE, centre, 18, 100)


def _flag(name: str, weight: float, label: Text) -> Term:
    return Term(name, weight, "flag", label)


def _brock_size(weight: float) -> Term:
    return Term("diameter_mm", weight, "inverse-root", _SIZE, ROOT_OF_4_MM, 1, 86)


BROCK_FULL = LogisticModel(
    id="brock-2b",
    title=Text(zh="Brock 完整模型（含毛刺）", en="Brock full model with spiculation"),
    intercept=-6.7892,
    terms=(
        _age(0.0287, 62),
        _flag("female", 0.6011, _FEMALE),
        _flag("family_history_lung", 0.2961, _FAMILY),
        _flag("emphysema", 0.2953, _EMPHYSEMA),
        _brock_size(-5.3854),
        _flag("upper_lobe", 0.6581, _UPPER),
        _flag("part_solid", 0.377, _PART),
        _flag("ground_glass", -0.1276, _GROUND),
        Term("nodule_count", -0.0824, "linear", _COUNT, 4, 1, 50),
        _flag("spiculation", 0.7729, _SPICULES),
    ),
    source="PanCan model 2b, PMC6717521 T2",
    population=Text(
        zh="筛查人群，50-75 岁现吸烟或曾吸烟者",
        en="screening, 50-75 years, current or former smokers",
    ),
    exclusive=(("part_solid", "ground_glass"),),
)

BROCK_WITHOUT_SPICULATION = LogisticModel(
    id="brock-2a",
    title=Text(zh="Brock 完整模型（不含毛刺）", en="Brock full model without spiculation"),
    intercept=-6.8071,
    terms=(
        _age(0.0321, 62),
        _flag("female", 0.5635, _FEMALE),
        _flag("family_history_lung", 0.3013, _FAMILY),
        _flag("emphysema", 0.3462, _EMPHYSEMA),
        _brock_size(-5.6693),
        _flag("upper_lobe", 0.7116, _UPPER),
        _flag("part_solid", 0.3395, _PART),
        _flag("ground_glass", -0.3055, _GROUND),
        Term("nodule_count", -0.0803, "linear", _COUNT, 4, 1, 50),
    ),
    source="PanCan model 2a (McWilliams 2013), checked against a second published listing",
    population=BROCK_FULL.population,
    exclusive=(("part_solid", "ground_glass"),),
)

MAYO = LogisticModel(
    id="mayo",
    title=Text(zh="Mayo 模型", en="Mayo model"),
    intercept=-6.8272,
    terms=(
        _age(0.0391),
        _flag("ever_smoker", 0.7917, _SMOKER),
        _flag("extrathoracic_cancer", 1.3388, _CANCER),
        Term("diameter_mm", 0.1274, "linear", _SIZE, 0.0, 4, 30),
        _flag("spiculation", 1.0407, _SPICULES),
        _flag("upper_lobe", 0.7838, _UPPER),
    ),
    source="Swensen 1997; two listings agree (PMC6717521 prints another intercept, a typo)",
    population=Text(
        zh="偶发单发结节 4-30 mm，近 5 年无肿瘤",
        en="incidental single nodule of 4-30 mm, no cancer in 5 years",
    ),
)

VETERANS = LogisticModel(
    id="va",
    title=Text(zh="VA 模型", en="Veterans Affairs model"),
    intercept=-8.404,
    terms=(
        _age(0.0779),
        _flag("ever_smoker", 2.061, _SMOKER),
        Term("diameter_mm", 0.112, "linear", _SIZE, 0.0, 4, 30),
        Term("years_since_quit", -0.0567, "linear", _QUIT, 0.0, 0, 80),
    ),
    source="Gould 2007 (the sign of the years since quitting from memory)",
    population=Text(zh="退伍军人，结节 7-30 mm", en="veterans, nodules of 7-30 mm"),
)

PKU = LogisticModel(
    id="pku",
    title=Text(zh="北京大学模型", en="Peking University model"),
    intercept=-4.496,
    terms=(
        _age(0.07),
        Term("diameter_mm", 0.0676, "linear", _SIZE, 0.0, 4, 30),
        _flag("spiculation", 0.736, _SPICULES),
        _flag("family_history_cancer", 1.267, _FAMILY_ANY),
        _flag("calcification", -1.615, _CALCIUM),
        _flag("smooth_border", -1.408, _SMOOTH),
    ),
    source="Li 2011 (Peking University People's Hospital)",
    population=Text(zh="中国手术患者的单发结节", en="single nodules of surgical patients in China"),
)

MODELS = {m.id: m for m in (BROCK_FULL, BROCK_WITHOUT_SPICULATION, MAYO, VETERANS, PKU)}
