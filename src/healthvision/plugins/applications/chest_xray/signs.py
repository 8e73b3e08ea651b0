# SPDX-License-Identifier: Apache-2.0
"""The children's classifier in words: finding, measurement and summary. Never a diagnosis."""

import numpy as np

from healthvision.clinical.result import (
    Confidence,
    EvidenceLevel,
    Explanation,
    Finding,
    Laterality,
    Location,
    Measurement,
    OverlayRef,
    Text,
)
from healthvision.clinical.statistics.probability import at_share
from healthvision.clinical.study import SeriesImage
from healthvision.plugins.applications.chest_xray import words
from healthvision.plugins.applications.chest_xray.drawing import Canvas, key_image
from healthvision.plugins.applications.chest_xray.findings import Drawn, tracking_uid
from healthvision.plugins.applications.chest_xray.pneumonia import Answer, reference

NAME = "signs-child"
METHOD = "network on both lungs laid flat, sum of evidence per place; Platt, conformal sets of 90 %"
CALIBRATED = "data/cxr/pneumonia_pediatric, folds 1-4, each fold by a network that never saw it"
LOW = 0.1  # a probability below it is called low
SELDOM = 0.2  # share of pneumonia for which the probability is said once more
SUREST = 0.99  # no probability nearer to 0 or 1 is told: the films at hand cannot bear it out
ONE_SIDE = 0.75  # of the evidence lies in one lung: its side is named


def side_of(answer: Answer) -> Laterality:
    """Return the lung in which most of the evidence lies, or both."""
    right = right_share(answer)
    if right >= ONE_SIDE:
        return Laterality.RIGHT
    return Laterality.LEFT if right <= 1 - ONE_SIDE else Laterality.BOTH


def right_share(answer: Answer) -> float:
    """Return the share of the evidence for pneumonia in the patient's right lung."""
    gain = np.clip(answer.evidence, 0, None).sum(axis=(1, 2))
    return float(gain[0] / max(float(gain.sum()), 1e-9))


def told_probability(answer: Answer) -> float:
    """Return the probability as it is told, 0.01 to 0.99, two digits."""
    return round(min(max(answer.probability, 1 - SUREST), SUREST), 2)


def measurements(answer: Answer) -> tuple[Measurement, ...]:
    """Return the probability as a measurement of the film, given whatever the answer is."""
    return (
        words.measurement(
            "child-probability", 100 * told_probability(answer), "%", METHOD, digits=0
        ),
    )


def told_none(answer: Answer) -> Text | None:
    """Return the sentence for the summary where there is no finding, None where there is one.

    Only a probability below ``LOW`` is called low.
    """
    if not answer.sure or answer.yes:
        return None
    said, (where_zh, where_en) = told_probability(answer), _where()
    p = f"{said:.2f}"
    if said < LOW:
        return Text(
            zh=f"儿童分类器：校准概率低（{p}，{where_zh}），不能据此排除肺炎。",
            en="Children's classifier: low calibrated probability of signs that fit pneumonia "
            f"({p}, {where_en}); that does not exclude it.",
        )
    return Text(
        zh=f"儿童分类器：90%保形集合仅含“无征象”，但校准概率为{p}（{where_zh}），不能据此排除肺炎。",
        en="Children's classifier: the conformal set of 90 % holds 'no signs' only, at a "
        f"calibrated probability of {p} of signs that fit pneumonia ({where_en}); that does not "
        "exclude it.",
    )


def _where() -> tuple[str, str]:
    """Return where the probability holds, in both languages."""
    share = f"{100 * reference().share:.0f}"
    return f"{share}%患病处", f"where {share} % are ill"


def _set_text(answer: Answer) -> Text:
    if answer.sure:
        return Text(
            zh="90%保形集合：仅“有征象”", en="The conformal set of 90 % holds 'signs' alone"
        )
    if answer.yes:
        return Text(
            zh="90%保形集合同时含“有征象”和“无征象”：不确定",
            en="The conformal set of 90 % holds both 'signs' and 'no signs': unsure",
        )
    return Text(
        zh="90%保形集合为空，两者都不够符合：不确定",
        en="The conformal set of 90 % is empty, neither 'signs' nor 'no signs' fits well: unsure",
    )


def _explanation(answer: Answer) -> Text:
    known = reference()
    said = _set_text(answer)
    told, share = told_probability(answer), 100 * known.share
    seldom = at_share(told, known.share, SELDOM)
    return Text(
        zh=f"概率{told:.2f}以其中{share:.0f}%为肺炎的儿童片校准；若仅20%为肺炎，同一影像约为{seldom:.2f}；"
        f"概率未附区间。{said.zh}。红色处的灰阶最支持该判断（框内为双肺的五分之一，"
        f"{100 * answer.inside:.0f}%的证据位于肺野内）；网络几乎看不到肺野以外。"
        "标出的是判断依据，不是病灶轮廓。其他原因（不张、积液、水肿、呼气相）可有相似表现。",
        en=f"The probability {told:.2f} was calibrated on films of children of which {share:.0f} % "
        f"showed pneumonia; were it 20 %, the same film would mean about {seldom:.2f}; it comes "
        f"without an interval. {said.en}. Red places speak most for it (outlined: a fifth of both "
        f"lungs; {100 * answer.inside:.0f} % of the evidence lies inside the lung fields); the "
        "network sees almost nothing outside the lungs. What is marked is what the answer "
        "rests on and no outline of disease. Collapse, fluid, oedema or breathing out may look "
        "alike.",
    )


def _label(answer: Answer) -> Text:
    p, (where_zh, where_en) = f"{told_probability(answer):.2f}", _where()
    if answer.sure:
        return Text(
            zh=f"符合儿童肺炎的征象，校准概率{p}（{where_zh}）",
            en=f"signs that fit pneumonia in a child, probability {p} ({where_en})",
        )
    return Text(
        zh=f"是否有儿童肺炎征象：不确定，校准概率{p}（{where_zh}）",
        en="unsure whether there are signs that fit pneumonia in a child, probability "
        f"{p} ({where_en})",
    )


def finding(image: SeriesImage, canvas: Canvas, answer: Answer, lungs: np.ndarray) -> Drawn | None:
    """Return the finding; None where 'no signs' is the only answer that fits.

    ``lungs``: bool (SIDE, SIDE), both fields.
    """
    if told_none(answer) is not None:
        return None
    label, side = _label(answer), side_of(answer)
    heat = np.nan_to_num(answer.map, nan=0.0)
    heat = np.clip(heat / max(float(heat.max()), 1e-6), 0, 1)
    key = key_image(
        canvas, f"key-{NAME}", label, lungs=lungs, opaque=answer.marked, heat=heat, tracking=NAME
    )
    where = Text(zh="双肺野", en="both lung fields")
    code = None
    if side is not Laterality.BOTH:
        name = words.SIDES[side]
        where = Text(zh=f"主要为{name.zh}肺野", en=f"mostly the {name.en} lung field")
        code = words.LUNG_RIGHT if side is Laterality.RIGHT else words.LUNG_LEFT
    ref = image.slices[0]
    shares = {"child-inside": answer.inside, "child-right": right_share(answer)}
    drawn = Finding(
        tracking_id=NAME,
        tracking_uid=tracking_uid(image.header.series_uid, NAME),
        code=words.SIGNS if answer.sure else words.UNSURE,
        label=label,
        location=Location(
            position_lps_mm=None,  # a projection has no place in 3D
            series_uid=image.header.series_uid,
            sop_instance_uid=ref.sop_instance_uid,
            frame_number=ref.frame_number,
            region=where,
            region_code=code,
            laterality=side,
        ),
        measurements=tuple(
            words.measurement(name, 100 * value, "%", METHOD, digits=0)
            for name, value in shares.items()
        ),
        confidence=Confidence(
            value=told_probability(answer),
            method=METHOD,
            calibrated_on=f"{CALIBRATED}; {100 * reference().share:.0f} % showed pneumonia",
        ),
        evidence_level=EvidenceLevel.E2,
        explanation=Explanation(
            method=METHOD,
            text=_explanation(answer),
            overlay=OverlayRef(images=(f"key-{NAME}.png",)),
        ),
    )
    return Drawn(drawn, key, None)
