# SPDX-License-Identifier: Apache-2.0
"""Codes and words of chest-xray in both languages."""

from healthvision.clinical.result import Code, Interval, Laterality, Measurement, Text

LUNG_LEFT = Code(scheme="SCT", value="44029006", meaning="Left lung structure")
LUNG_RIGHT = Code(scheme="SCT", value="3341006", meaning="Right lung structure")
HEART = Code(scheme="SCT", value="80891009", meaning="Heart structure")
ANATOMY = Code(scheme="SCT", value="123037004", meaning="Anatomical Structure")
ABNORMAL = Code(scheme="SCT", value="49755003", meaning="Morphologically Abnormal Structure")
OPACITY = Code(scheme="99HV", value="lung-opacity", meaning="Opacity of lung field")
WIDE_HEART = Code(scheme="99HV", value="wide-heart", meaning="Enlarged heart shadow")

SIDES = {
    Laterality.RIGHT: Text(zh="右", en="right"),
    Laterality.LEFT: Text(zh="左", en="left"),
}
ZONES = (
    Text(zh="上肺野", en="upper zone"),
    Text(zh="中肺野", en="middle zone"),
    Text(zh="下肺野", en="lower zone"),
)
_NAMES = {
    "ctr": ("心胸比", "Cardiothoracic ratio"),
    "heart-width": ("心影最大横径", "Widest heart"),
    "thorax-width": ("胸廓最大内径", "Widest inner chest"),
    "lung-share-right": ("右肺野占片面积", "Right lung field, share of the film"),
    "lung-share-left": ("左肺野占片面积", "Left lung field, share of the film"),
    "opacity-right": ("右肺野致密区占比", "Opacity, share of the right lung field"),
    "opacity-left": ("左肺野致密区占比", "Opacity, share of the left lung field"),
    "opacity-upper": ("上肺野致密区占比", "Opacity, share of the upper zone"),
    "opacity-middle": ("中肺野致密区占比", "Opacity, share of the middle zone"),
    "opacity-lower": ("下肺野致密区占比", "Opacity, share of the lower zone"),
}


def measurement(
    name: str,
    value: float,
    unit: str,
    method: str,
    interval: tuple[float, float] | None = None,
    *,
    digits: int = 1,
) -> Measurement:
    """Return a measurement of this application by its short name, rounded."""
    zh, en = _NAMES[name]
    limits = None
    if interval is not None:
        limits = Interval(low=round(interval[0], digits), high=round(interval[1], digits))
    return Measurement(
        code=Code(scheme="99HV", value=f"chest-{name}", meaning=en),
        label=Text(zh=zh, en=en),
        value=round(value, digits),
        unit=unit,
        interval=limits,
        method=method,
    )
