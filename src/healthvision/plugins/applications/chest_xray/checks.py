# SPDX-License-Identifier: Apache-2.0
"""Quality gates of chest-xray: what was checked and what the user can do."""

import re
from collections.abc import Sequence

import numpy as np

from healthvision.clinical.radiograph.film import Turn
from healthvision.clinical.radiograph.frame import SIDE
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.result import Gate, GateOutcome, Text
from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.plugins.applications.chest_xray.series import PICTURES, view_of

CHILD_YEARS = 15
YEARS_OF_NORMALS = range(1, 6)  # ages of the normal films
LEAST_PIXELS = 128
_LATERAL = frozenset({"LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO"})
_OBLIQUE_AXIS = frozenset({"XTABLE", "DECUB", "LDO", "RDO"})
_LYING = frozenset({"HFS", "FFS", "HFDR", "HFDL", "FFDR", "FFDL", "HFP", "FFP"})  # (0018,5100)
_SUPINE = re.compile(
    r"(?<![a-z])(supine|prone|decubitus|recumbent|lying|bedside|portable|mobile|[pnms]?icu)(?![a-z])"
    "|卧|床旁|床边"
)
_CHEST = ("CHEST", "THORAX", "LUNG", "胸", "肺")


def _gate(
    name: str,
    outcome: GateOutcome,
    value: str | float | None,
    reason: tuple[str, str],
    remedy: tuple[str, str] | None = None,
) -> Gate:
    told = None if remedy is None else Text(zh=remedy[0], en=remedy[1])
    return Gate(
        id=name,
        outcome=outcome,
        value=value,
        reason=Text(zh=reason[0], en=reason[1]),
        remedy=told,
    )


def body_gate(header: SeriesHeader) -> Gate:
    """Refuse a film whose header names another part of the body."""
    part = header.body_part.strip().upper()
    if not part:
        return _gate("body-part", GateOutcome.PASSED, None, ("未标明部位", "body part not stated"))
    if any(word in part for word in _CHEST):
        return _gate("body-part", GateOutcome.PASSED, part, ("胸部", "chest"))
    remedy = ("请核对检查部位", "Check the body part of the examination")
    reason = (f"标签部位为{part}，不是胸部", f"the header says {part}, not chest")
    return _gate("body-part", GateOutcome.FAILED, part, reason, remedy)


def view_gate(header: SeriesHeader, turn: Turn) -> Gate:
    """Refuse what the header calls lateral; warn when the projection is not stated."""
    view = view_of(header)
    if turn.kind == "lateral" or view in _LATERAL or view in _OBLIQUE_AXIS:
        remedy = ("请发送正位胸片", "Send the frontal film")
        reason = ("侧位或斜位片", "a lateral or oblique film")
        return _gate("view", GateOutcome.FAILED, view or "lateral", reason, remedy)
    if view in ("PA", "AP"):
        return _gate("view", GateOutcome.PASSED, view, (f"正位（{view}）", f"frontal ({view})"))
    remedy = ("请注明投照位置（PA/AP）", "State the projection (PA or AP)")
    reason = ("投照位置未知", "projection unknown")
    return _gate("view", GateOutcome.WARNING, view or None, reason, remedy)


def side_gate(turn: Turn, fields: LungFields, heart_left: float | None) -> Gate:
    """Say where left and right come from, and doubt it when the heart lies on the other side.

    ``heart_left``: share of the heart's width on the patient's left, None when not measured.
    """
    if heart_left is not None and heart_left < 0.42:
        remedy = ("请核对左右标记", "Check the side marker")
        reason = (
            "心影偏右：影像可能左右翻转，或为右位心",
            "heart lies to the right: mirrored film or dextrocardia",
        )
        return _gate("side", GateOutcome.WARNING, round(heart_left, 2), reason, remedy)
    if turn.kind == "frontal":
        words = ("左右取自影像方向标签", "sides by Patient Orientation")
        return _gate("side", GateOutcome.PASSED, "header", words)
    remedy = ("请核对左右标记", "Check the side marker")
    reason = (
        "未标明方向：按常规以图像左侧为患者右侧",
        "orientation not stated: the picture's left is taken as the patient's right",
    )
    return _gate("side", GateOutcome.WARNING, "assumed", reason, remedy)


def picture_gates(image: SeriesImage, *, inverted: bool) -> list[Gate]:
    """Say what kind of picture it is: colour, 8 bits, small, inverted greys."""
    header, out = image.header, []
    photometric = str(header.extra.get("PhotometricInterpretation", ""))
    if photometric and not photometric.startswith("MONOCHROME"):
        words = ("彩色影像，已转为灰度", "colour picture, turned to grey")
        out.append(_gate("colour", GateOutcome.WARNING, photometric, words))
    voxels = image.volume.voxels
    if header.modality.upper() in PICTURES or int(voxels.max()) - int(voxels.min()) <= 255:
        remedy = ("请发送原始DICOM影像", "Send the original DICOM film")
        words = (
            "8位或二次采集影像，灰阶可能被处理过",
            "8-bit or secondary picture; its greys may have been processed",
        )
        out.append(_gate("picture", GateOutcome.WARNING, header.modality, words, remedy))
    noted = any(n.id == "inverted" for n in image.notes)
    if inverted:
        words = ("灰度反转，已自动纠正", "greys were inverted and have been turned back")
        out.append(_gate("greys", GateOutcome.WARNING, "inverted", words))
    elif noted:
        words = ("MONOCHROME1，已按标签反转", "MONOCHROME1, turned by the header")
        out.append(_gate("greys", GateOutcome.PASSED, "MONOCHROME1", words))
    return out


def size_gate(image: SeriesImage) -> Gate:
    """Refuse tiny and empty pictures."""
    rows, columns = image.volume.shape[1:]
    least = min(rows, columns)
    flat = float(np.ptp(image.volume.voxels)) == 0
    if least >= LEAST_PIXELS and max(rows, columns) <= 3 * least and not flat:
        return _gate("size", GateOutcome.PASSED, least, ("尺寸合适", "size is suitable"))
    remedy = ("请发送完整的原始胸片", "Send the whole original film")
    reason = (
        f"影像过小、过窄或空白（{columns}x{rows}）",
        f"too small, too narrow or empty ({columns}x{rows})",
    )
    return _gate("size", GateOutcome.FAILED, least, reason, remedy)


def chest_gate(
    fields: LungFields | None, distance: float, limit: float, *, below: bool = True
) -> Gate:
    """Decide whether it is a frontal chest radiograph: two lungs of the right shape, known look.

    ``below``: there is body below the chest, not air as below a CT slice.
    """
    remedy = ("请发送正位胸部X线片", "Send a frontal chest radiograph")
    value = round(distance, 2)
    doubts = _doubts(fields)
    if not below:
        doubts.append(("胸部下方为空气，像CT断层", "air below the chest, as on a CT slice"))
    if distance > limit:
        doubts.append(("与已知胸片差异过大", "unlike all chest films known"))
    if doubts:
        reason = (
            "不像正位胸片：" + "、".join(d[0] for d in doubts),
            "does not look like a frontal chest film: " + ", ".join(d[1] for d in doubts),
        )
        return _gate("chest", GateOutcome.FAILED, value, reason, remedy)
    return _gate("chest", GateOutcome.PASSED, value, ("为正位胸片", "a frontal chest film"))


def _doubts(fields: LungFields | None) -> list[tuple[str, str]]:
    if fields is None:
        return [("未找到两侧肺野", "two lung fields were not found")]
    area = float(fields.both.sum()) / (SIDE * SIDE)
    tests = (
        (fields.certainty < 0.8, ("肺野轮廓不确定", "unsure lung outlines")),
        (fields.fill < 0.75, ("肺野形状异常", "odd shape of a lung field")),
        (fields.balance < 0.3, ("两侧肺野大小悬殊", "lung fields of very different size")),
        (abs(fields.tilt) > 30, ("影像旋转过大", "turned too far")),
        (not 0.1 <= area <= 0.7, ("肺野面积异常", "odd area of the lung fields")),
    )
    return [words for bad, words in tests if bad]


def position_gates(fields: LungFields) -> list[Gate]:
    """Warn about a turned patient or film and about cut-off lungs."""
    out = []
    tilt = round(fields.tilt, 1)
    if abs(tilt) > 8:
        reason = (f"影像倾斜约{abs(tilt):g}°", f"film is turned by about {abs(tilt):g} degrees")
        remedy = ("测量值可能受影响，请核对", "Measurements may suffer, check them")
        out.append(_gate("turned", GateOutcome.WARNING, tilt, reason, remedy))
    if fields.balance < 0.6:
        reason = ("两侧肺野大小不等：旋转体位或病变", "unequal lung fields: rotation or disease")
        remedy = ("请核对体位", "Check the position")
        out.append(_gate("balance", GateOutcome.WARNING, round(fields.balance, 2), reason, remedy))
    if fields.edge > 0.08:
        reason = ("肺野在影像边缘被截断", "lung fields are cut off at the edge")
        remedy = ("请发送完整胸片", "Send the whole film")
        out.append(_gate("clipped", GateOutcome.WARNING, round(fields.edge, 2), reason, remedy))
    return out


def is_child(header: SeriesHeader) -> bool | None:
    """Whether the header's age is below 15 years; None when it is not stated."""
    age = header.patient_age_years
    return None if age is None else age < CHILD_YEARS


def has_normals(header: SeriesHeader) -> bool:
    """Whether the patient is of an age of which there are normal films to compare with."""
    return header.patient_age_years in YEARS_OF_NORMALS


def _words_of(header: SeriesHeader) -> str:
    keys = ("StudyDescription", "ProtocolName")
    told = [header.description, *(str(header.extra.get(k, "")) for k in keys)]
    return " ".join(told).lower()


def _is_lying(header: SeriesHeader) -> bool:
    """Whether Patient Position or the words of series, study or protocol say lying or bedside."""
    position = str(header.extra.get("PatientPosition", "")).strip().upper()
    return position in _LYING or bool(_SUPINE.search(f"{_words_of(header)} {position.lower()}"))


def _says_ap(header: SeriesHeader) -> bool:
    """Whether the words of series, study or protocol say AP and never PA."""
    named = set(re.findall(r"(?<![a-z])(ap|pa)(?![a-z])", _words_of(header)))
    return named == {"ap"}


def ratio_gate(header: SeriesHeader, fields: LungFields) -> Gate:
    """Decide whether a cardiothoracic ratio may be given: adult, PA, not supine, whole chest."""
    view = view_of(header)
    reason: tuple[str, str] | None = None
    remedy = ("需要站立后前位（PA）胸片", "An upright PA film is needed")
    if is_child(header):
        reason = ("儿童：成人界值不适用", "a child: limits for adults do not hold")
        remedy = ("请由医生目测", "Judge by eye")
    elif view == "AP":
        reason = ("AP位放大心影", "AP: the heart is magnified")
    elif view != "PA":
        reason = ("投照位置未知", "projection unknown")
        remedy = ("请注明投照位置（PA）", "State the projection (PA)")
    elif _is_lying(header):
        reason = ("卧位或床旁片", "a lying patient or a bedside film")
    elif _says_ap(header):
        reason = ("检查描述写明AP位，与投照位置标签不符", "the description says AP, the header PA")
    elif fields.edge > 0.08:
        reason = ("胸廓被截断", "the chest is cut off")
    if reason is not None:
        words = (f"不给出心胸比：{reason[0]}", f"no cardiothoracic ratio: {reason[1]}")
        return _gate("heart", GateOutcome.FAILED, view or None, words, remedy)
    if header.patient_age_years is None:
        words = ("年龄未知，按成人测量", "age unknown, measured as an adult")
        remedy = ("请核对年龄", "Check the age")
        return _gate("heart", GateOutcome.WARNING, view, words, remedy)
    return _gate("heart", GateOutcome.PASSED, view, ("可测心胸比", "the ratio can be measured"))


def unsure_heart_gate() -> Gate:
    """Say that a ratio would be allowed and the borders of the heart do not show clearly."""
    reason = ("不给出心胸比：心缘不清", "no cardiothoracic ratio: the heart's borders are unsure")
    remedy = ("请由医生目测", "Judge by eye")
    return _gate("heart", GateOutcome.FAILED, None, reason, remedy)


def failed(gates: Sequence[Gate]) -> Text | None:
    """Return the reasons of all failed gates, None without any."""
    bad = [g for g in gates if g.outcome is GateOutcome.FAILED]
    if not bad:
        return None
    return Text(zh="；".join(g.reason.zh for g in bad), en="; ".join(g.reason.en for g in bad))
