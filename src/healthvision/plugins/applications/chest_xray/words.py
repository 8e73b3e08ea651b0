# SPDX-License-Identifier: Apache-2.0
"""Codes and words of chest-xray in both languages."""

from healthvision.clinical import vocabulary
from healthvision.clinical.result import Code, Laterality, Text

LUNG_LEFT, LUNG_RIGHT = vocabulary.LUNG_LEFT, vocabulary.LUNG_RIGHT
HEART = vocabulary.HEART
ANATOMY, ABNORMAL = vocabulary.ANATOMY, vocabulary.ABNORMAL
OPACITY = Code(scheme="99HV", value="lung-opacity", meaning="Opacity of lung field")
WIDE_HEART = Code(scheme="99HV", value="wide-heart", meaning="Enlarged heart shadow")
SIGNS = Code(
    scheme="99HV", value="pneumonia-signs-child", meaning="Signs that fit pneumonia in a child"
)
UNSURE = Code(
    scheme="99HV",
    value="pneumonia-unsure-child",
    meaning="Unsure whether there are signs that fit pneumonia in a child",
)

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
    "child-probability": (
        "儿童肺炎征象的校准概率（69%患病处）",
        "Signs that fit pneumonia, child: probability where 69 % are ill",
    ),
    "child-inside": ("支持证据位于肺野内的占比", "Share of the evidence inside the lung fields"),
    "child-right": ("支持证据位于右肺的占比", "Share of the evidence in the right lung"),
    "opacity-lower": ("下肺野致密区占比", "Opacity, share of the lower zone"),
}
measurement = vocabulary.Vocabulary.own("chest", _NAMES).measurement
