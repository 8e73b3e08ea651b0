# SPDX-License-Identifier: Apache-2.0
"""Codes and words that all described models share, in both languages."""

from healthvision.clinical import vocabulary
from healthvision.clinical.result import (
    Code,
    Confidence,
    Explanation,
    Gate,
    GateOutcome,
    Measurement,
    OverlayRef,
    Text,
)

ANATOMY, ABNORMAL = vocabulary.ANATOMY, vocabulary.ABNORMAL
VOLUME = Code(scheme="SCT", value="118565006", meaning="Volume")
DIAMETER = Code(scheme="99HV", value="longest-axial-diameter", meaning="Longest axial diameter")
SHARE = Code(scheme="99HV", value="share-of-picture", meaning="Share of the picture")
RAW = Code(scheme="99HV", value="raw-model-score", meaning="Raw model score, not calibrated")

NO_CONFIDENCE = Text(
    zh="模型分数未经校准，因此不给出置信度",
    en="the model's score is not calibrated, so no confidence is given",
)


def both(zh: str, en: str) -> Text:
    """Return the same words in both languages."""
    return Text(zh=zh, en=en)


def no_confidence(how: str) -> Confidence:
    """Return that there is no confidence, and why. ``how``: what the raw score is."""
    return Confidence(value=None, reason_absent=NO_CONFIDENCE, method=f"raw score ({how})")


def raw_score(score: float, label: Text | None = None) -> Measurement:
    """Return the raw score of a finding or class as a measurement without a unit."""
    name = both("模型原始分数（未校准）", "Raw model score (not calibrated)")
    if label is not None:
        name = both(f"{label.zh}：{name.zh}", f"{label.en}: {name.en}")
    return Measurement(
        code=RAW, label=name, value=round(score, 4), unit="1", method="network output"
    )


def explanation(
    words: Text, method: str, segment: int | None, images: tuple[str, ...]
) -> Explanation:
    """Return what can be said of why: where it is drawn, and that the model says no more."""
    overlay = None
    if segment is not None or images:
        overlay = OverlayRef(segment=segment, images=images)
    return Explanation(
        method=method,
        text=both(
            f"{words.zh}该模型由用户添加，不说明其判断理由。",
            f"{words.en} The model was brought by the user and does not say why.",
        ),
        overlay=overlay,
    )


def gate(
    name: str, outcome: GateOutcome, reason: Text, value: float | str | None = None,
    remedy: Text | None = None,
) -> Gate:  # fmt: skip
    """Return one gate."""
    return Gate(id=name, outcome=outcome, value=value, reason=reason, remedy=remedy)
