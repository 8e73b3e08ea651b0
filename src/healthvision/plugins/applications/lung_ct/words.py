# SPDX-License-Identifier: Apache-2.0
"""Codes and words of lung-ct in both languages."""

from healthvision.clinical import vocabulary
from healthvision.clinical.chest.features import NAMES, ZH_EN
from healthvision.clinical.chest.masses import Mass
from healthvision.clinical.chest.nodules import Nodule
from healthvision.clinical.result import Code, Contribution, Laterality, Text
from healthvision.clinical.vocabulary import Named, Vocabulary

LUNG_LEFT, LUNG_RIGHT = vocabulary.LUNG_LEFT, vocabulary.LUNG_RIGHT
SOLITARY = Code(scheme="SCT", value="427359005", meaning="Solitary nodule of lung")
NODULE = Code(scheme="SCT", value="27925004", meaning="Nodule")
MASS = Code(scheme="SCT", value="309529002", meaning="Lung mass")
EMPHYSEMA = Code(scheme="SCT", value="87433001", meaning="Pulmonary emphysema")
ANATOMY, ABNORMAL = vocabulary.ANATOMY, vocabulary.ABNORMAL
DENSITY = Code(scheme="99HV", value="nodule-density", meaning="Density type of nodule")

ZONES = (
    Text(zh="下肺区", en="lower zone"),
    Text(zh="中肺区", en="middle zone"),
    Text(zh="上肺区", en="upper zone"),
)
DENSITIES = {
    "solid": Text(zh="实性", en="solid"),
    "part-solid": Text(zh="部分实性", en="part-solid"),
    "ground-glass": Text(zh="磨玻璃", en="ground-glass"),
    "calcified": Text(zh="钙化", en="calcified"),
    "fat": Text(zh="含脂肪", en="fat"),
}
_CODES = {
    "long": (Code(scheme="SCT", value="103339001", meaning="Long Axis"), "长径", "Long axis"),
    "short": (Code(scheme="SCT", value="103340004", meaning="Short Axis"), "短径", "Short axis"),
    "mean": (
        Code(scheme="99HV", value="mean-diameter", meaning="Mean diameter"),
        "平均直径",
        "Mean diameter",
    ),
    "volume": (Code(scheme="SCT", value="118565006", meaning="Volume"), "体积", "Volume"),
    "solid": (
        Code(scheme="99HV", value="solid-diameter", meaning="Mean diameter of solid part"),
        "实性成分平均直径",
        "Mean diameter of solid part",
    ),
    "hu": (
        Code(scheme="99HV", value="mean-hu", meaning="Mean attenuation"),
        "平均CT值",
        "Mean attenuation",
    ),
    "pleura": (
        Code(scheme="99HV", value="pleura-distance", meaning="Distance to pleura"),
        "距胸膜距离",
        "Distance to pleura",
    ),
    "volume-right": (
        Code(scheme="99HV", value="volume-right-lung", meaning="Volume of right lung"),
        "右肺容积",
        "Volume of right lung",
    ),
    "volume-left": (
        Code(scheme="99HV", value="volume-left-lung", meaning="Volume of left lung"),
        "左肺容积",
        "Volume of left lung",
    ),
    "volume-lungs": (
        Code(scheme="99HV", value="volume-lungs", meaning="Volume of both lungs"),
        "双肺容积",
        "Volume of both lungs",
    ),
    "laa": (
        Code(scheme="99HV", value="laa-950", meaning="Share of lung below -950 HU"),
        "肺气肿指数 (%LAA-950)",
        "Emphysema index (%LAA-950)",
    ),
    "laa-right": (
        Code(scheme="99HV", value="laa-950-right", meaning="Share of right lung below -950 HU"),
        "右肺 %LAA-950",
        "%LAA-950, right lung",
    ),
    "laa-left": (
        Code(scheme="99HV", value="laa-950-left", meaning="Share of left lung below -950 HU"),
        "左肺 %LAA-950",
        "%LAA-950, left lung",
    ),
    "perc15": (
        Code(scheme="99HV", value="perc15", meaning="15th percentile of lung attenuation"),
        "第15百分位CT值 (Perc15)",
        "15th percentile (Perc15)",
    ),
    "noise": (
        Code(scheme="99HV", value="noise-sd", meaning="Noise in the lungs"),
        "肺内噪声",
        "Noise in the lungs",
    ),
}
measurement = Vocabulary(
    {name: Named(code, Text(zh=zh, en=en)) for name, (code, zh, en) in _CODES.items()}
).measurement


def region(*, left: bool, zone: int) -> Text:
    """Return the side and zone in words; zones are thirds of the lung's height, not lobes."""
    return Text(
        zh=("左" if left else "右") + ZONES[zone].zh,
        en=f"{'left' if left else 'right'} lung, {ZONES[zone].en}",
    )


def placed(label: Text, where: Text) -> Text:
    """Return a label with its place, for captions and summaries."""
    return Text(zh=f"{where.zh}{label.zh}", en=f"{label.en}, {where.en}")


def side(*, left: bool) -> Laterality:
    """Return the side as laterality."""
    return Laterality.LEFT if left else Laterality.RIGHT


def contributions(nodule: Nodule, most: int = 6) -> tuple[Contribution, ...]:
    """Return the features that moved the forest most, largest first."""
    order = sorted(range(len(NAMES)), key=lambda i: -abs(float(nodule.contributions[i])))
    return tuple(
        Contribution(
            feature=NAMES[i],
            label=Text(zh=ZH_EN[NAMES[i]][0], en=ZH_EN[NAMES[i]][1]),
            value=round(float(nodule.features[i]), 3),
            contribution=round(float(nodule.contributions[i]), 4),
        )
        for i in order[:most]
    )


def why(nodule: Nodule) -> Text:
    """Say in words which features speak for and against a nodule."""
    parts = contributions(nodule, 4)
    speak_zh = "，".join(
        f"{c.label.zh} {c.value:g}（{'支持' if c.contribution > 0 else '反对'}）" for c in parts
    )
    speak_en = ", ".join(
        f"{c.label.en} {c.value:g} ({'for' if c.contribution > 0 else 'against'})" for c in parts
    )
    return Text(
        zh=f"分类森林主要依据：{speak_zh}。概率在体模上校准，未经真实病例验证。",
        en=f"The forest looked mostly at: {speak_en}. The probability was calibrated on phantoms, "
        "not on patients.",
    )


def mass_text(mass: Mass) -> Text:
    """Say why a mass is one, what it may be, and what its size leaves out."""
    zh = ["此处应为含气肺，但为软组织密度。"]
    en = ["Lung is expected here, but the tissue is soft."]
    if mass.basal:
        zh.append("它突出于膈面之上，比膈顶窄；可能是膈肌局部膨出。")
        en.append("It stands out from the diaphragm and is narrower than its dome; a local bulge "
                  "of the diaphragm can look the same.")  # fmt: skip
    if mass.central:
        zh.append("它比其上下方的纵隔边缘更向外突出；可能是肺门血管或淋巴结，纵隔内的部分未计入。")
        en.append("It stands out from the edge of the mediastinum above and below; vessels or "
                  "lymph nodes of the hilum can look the same, and what lies inside the "
                  "mediastinum is not counted.")  # fmt: skip
    zh.append("可为肿瘤、实变、包裹性积液或肺不张，性质未定；与胸壁、纵隔或膈相连的部分可能更大。")
    en.append("It may be tumour, consolidation, loculated fluid or collapse; the cause is not "
              "determined. Where it meets the chest wall, mediastinum or diaphragm it may be "
              "larger than measured.")  # fmt: skip
    return Text(zh="".join(zh), en=" ".join(en))
