# SPDX-License-Identifier: Apache-2.0
"""From the reading of a chest film to findings with words, pictures and segments."""

import hashlib
from dataclasses import dataclass

import numpy as np

from healthvision.clinical.guidelines import cardiothoracic
from healthvision.clinical.radiograph.frame import Frame
from healthvision.clinical.radiograph.heart import Heart
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.opacity import LEAST_SHARE, Opacities
from healthvision.clinical.result import (
    Code,
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
from healthvision.clinical.study import KeyImage, SeriesImage
from healthvision.clinical.volume import BoolArray
from healthvision.plugins.applications.chest_xray import checks, words
from healthvision.plugins.applications.chest_xray.drawing import Canvas, key_image
from healthvision.plugins.applications.chest_xray.pneumonia import Answer

SIDES = (Laterality.RIGHT, Laterality.LEFT)  # of the picture's left and right, once upright
RATIO_METHOD = "widest heart over widest inner chest, borders by shortest path"
OPACITY_METHOD = "greys against the other lung and against normal films (children, 1-5 years)"
LIMIT = 0.5  # of the ratio on PA films; ``cardiothoracic`` has its source
MEASURED = Text(
    zh="这是测量值而非分类，误差见区间",
    en="This is a measurement and no classification; see its interval",
)
NOT_EXCLUDED = Text(
    zh="区间上限超过0.50，不能排除心影增大",
    en="The interval reaches above 0.50: an enlarged heart is not excluded",
)
BESIDE = Text(
    zh="比对侧相应部位更致密，且高于正常片的平均值",
    en="denser than the same place of the other lung and than the mean of normal films",
)
ALONE = Text(
    zh="远比正常片致密（不论对侧如何）",
    en="far denser than normal films, whatever the other lung looks like",
)
OTHER_AGE = Text(
    zh="，本片患者年龄不在此范围或未知，比较仅供参考",
    en="; this patient is of another age or of none stated, so they are a rough yardstick here",
)
NOT_CALIBRATED = Text(
    zh="没有带轮廓标注的致密影数据，不给出概率",
    en="There is no data with outlined opacities, so no probability is given",
)


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """What was seen on one upright film; ``heart`` only where a ratio may be given.

    ``answer``: of the children's classifier, None where it may not answer.
    """

    image: SeriesImage
    frame: Frame
    canvas: Canvas
    fields: LungFields
    opacities: Opacities
    heart: Heart | None
    answer: Answer | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A finding with its picture; ``mask``: bool (SIDE, SIDE) of its segment, None without."""

    finding: Finding
    key: KeyImage
    mask: BoolArray | None


def tracking_uid(series_uid: str, name: str) -> str:
    """Return a DICOM UID that is the same for the same finding of the same series."""
    digest = hashlib.sha256(f"healthvision/chest-xray/{series_uid}/{name}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _place(reading: Reading, region: Text, code: Code, side: Laterality | None) -> Location:
    ref = reading.image.slices[0]
    return Location(
        position_lps_mm=None,  # a projection has no place in 3D
        series_uid=reading.image.header.series_uid,
        sop_instance_uid=ref.sop_instance_uid,
        frame_number=ref.frame_number,
        region=region,
        region_code=code,
        laterality=side,
    )


def unsure_normal(heart: Heart) -> bool:
    """Whether the ratio is within the limit while its interval reaches above it."""
    return round(heart.ratio, 3) <= LIMIT < round(heart.high, 3)


def heart_measurements(reading: Reading, heart: Heart) -> tuple[Measurement, ...]:
    """Return the ratio with its interval; widths in mm only where the film is calibrated."""
    limits = (heart.low, heart.high)
    ratio = words.measurement("ctr", heart.ratio, "1", RATIO_METHOD, limits, digits=3)
    if unsure_normal(heart):
        label = Text(
            zh=f"{ratio.label.zh}（{NOT_EXCLUDED.zh}）", en=f"{ratio.label.en} ({NOT_EXCLUDED.en})"
        )
        ratio = ratio.model_copy(update={"label": label})
    out = [ratio]
    rows, columns = reading.image.volume.spacing[1:]
    if (rows, columns) != (1.0, 1.0):  # 1.0 stands for films without a pixel spacing
        mm = reading.frame.scale * columns
        method = f"{RATIO_METHOD}; at the detector, magnified"
        wide = (heart.heart[1] - heart.heart[0]) * mm
        chest = (heart.thorax[1] - heart.thorax[0]) * mm
        out.append(words.measurement("heart-width", wide, "mm", method, digits=0))
        out.append(words.measurement("thorax-width", chest, "mm", method, digits=0))
    return tuple(out)


def heart_finding(reading: Reading, heart: Heart) -> Drawn | None:
    """Return an enlarged heart shadow by the limit for PA films; None within the limit."""
    category = cardiothoracic(round(heart.ratio, 3), view="PA")
    if category.value != "enlarged":
        return None
    sure = heart.low > 0.5
    label = Text(zh=f"心影增大，心胸比{heart.ratio:.2f}",
                 en=f"enlarged heart shadow, ratio {heart.ratio:.2f}")  # fmt: skip
    near = Text(zh="", en="") if sure else Text(
        zh="；区间包含界值0.50，不确定", en="; the interval includes the limit 0.50, not certain"
    )  # fmt: skip
    key = key_image(
        reading.canvas, "key-heart", label, lungs=reading.fields.both, heart=heart, tracking="heart"
    )
    finding = Finding(
        tracking_id="heart",
        tracking_uid=tracking_uid(reading.image.header.series_uid, "heart"),
        code=words.WIDE_HEART,
        label=label,
        location=_place(reading, Text(zh="心影", en="heart"), words.HEART, None),
        measurements=heart_measurements(reading, heart),
        categories=(category,),
        confidence=Confidence(value=None, reason_absent=MEASURED, method=RATIO_METHOD),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method=RATIO_METHOD,
            text=Text(
                zh=f"心影最宽处与胸廓最大内径之比为{heart.ratio:.3f}"
                f"（{heart.low:.2f}-{heart.high:.2f}），PA位界值0.50{near.zh}。",
                en=f"Widest heart over widest inner chest is {heart.ratio:.3f} "
                f"({heart.low:.2f} to {heart.high:.2f}), limit on PA 0.50{near.en}.",
            ),
            overlay=OverlayRef(images=("key-heart.png",)),
        ),
    )
    return Drawn(finding, key, None)


def _named(shares: np.ndarray) -> Text:
    """Return the zones that hold a marked share, in words."""
    zones = [z for z, share in zip(words.ZONES, shares, strict=True) if share >= LEAST_SHARE]
    return Text(zh="、".join(z.zh for z in zones), en=", ".join(z.en for z in zones))


def _told_why(reading: Reading, mask: BoolArray) -> Text:
    """Return by which comparison a mask was marked, and whom the normal films show."""
    beside = bool((mask & reading.opacities.beside).any())
    alone = bool((mask & ~reading.opacities.beside).any())
    rules = [rule for rule, used in ((BESIDE, beside), (ALONE, alone)) if used]
    zh, en = "，或".join(r.zh for r in rules), ", or ".join(r.en for r in rules)
    known = checks.has_normals(reading.image.header)
    other = Text(zh="", en="") if known else OTHER_AGE
    return Text(
        zh=f"标出处{zh}。正常片均为1-5岁儿童{other.zh}。原因未定（渗出、积液、不张、肿块、"
        "软组织重叠或体位均可）。",
        en=f"Marked places are {en}. The normal films are of children of 1 to 5 years{other.en}. "
        "The cause is not determined (infiltrate, fluid, collapse, mass, overlying soft tissue "
        "or position).",
    )


def opacity_finding(reading: Reading, side: int, segment: int) -> Drawn | None:
    """Return the opacity of one lung field; None where less than a zone's share is marked."""
    field = reading.fields.right_side if side else reading.fields.left_side
    mask = reading.opacities.marked & field
    shares = reading.opacities.shares[side]
    total = float(mask.sum() / max(1, field.sum()))
    if not reading.opacities.reported(field, side):
        return None
    where, laterality = _named(shares), SIDES[side]
    name = f"opacity-{laterality.value}"
    told = words.SIDES[laterality]
    label = Text(
        zh=f"{told.zh}肺致密影，占肺野{100 * total:.0f}%",
        en=f"opacity, {100 * total:.0f} % of the {told.en} lung field",
    )
    key = key_image(
        reading.canvas, f"key-{name}", label, lungs=reading.fields.both, opaque=mask, tracking=name
    )
    measured = [words.measurement(name, 100 * total, "%", OPACITY_METHOD)]
    for zone, share in zip(("upper", "middle", "lower"), shares, strict=True):
        measured.append(
            words.measurement(f"opacity-{zone}", 100 * float(share), "%", OPACITY_METHOD)
        )
    code = words.LUNG_LEFT if laterality is Laterality.LEFT else words.LUNG_RIGHT
    region = Text(zh=f"{told.zh}肺{where.zh}", en=f"{told.en} lung, {where.en}")
    finding = Finding(
        tracking_id=name,
        tracking_uid=tracking_uid(reading.image.header.series_uid, name),
        code=words.OPACITY,
        label=label,
        location=_place(reading, region, code, laterality),
        measurements=tuple(measured),
        confidence=Confidence(value=None, reason_absent=NOT_CALIBRATED, method=OPACITY_METHOD),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method=OPACITY_METHOD,
            text=_told_why(reading, mask),
            overlay=OverlayRef(segment=segment, images=(f"key-{name}.png",)),
        ),
    )
    return Drawn(finding, key, mask)
