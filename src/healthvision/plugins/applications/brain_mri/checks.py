# SPDX-License-Identifier: Apache-2.0
"""Quality gates of brain-mri: what was checked and what the user can do."""

from collections.abc import Sequence

from healthvision.clinical.brain.pipeline import HeadReading
from healthvision.clinical.result import Gate, GateOutcome, Text
from healthvision.clinical.study import SeriesImage

THICKEST_MM, WARN_MM = 6.0, 3.0
SMALLEST_BRAIN_ML, LARGEST_BRAIN_ML = 800.0, 1900.0
_SERIOUS = frozenset({"gap", "mixed-orientation", "uneven"})


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


def slice_gate(image: SeriesImage) -> Gate:
    """Check the coarsest of the voxel sizes and the nominal slice thickness, mm."""
    size = round(max(*image.volume.spacing, image.header.slice_thickness_mm or 0.0), 2)
    if size > THICKEST_MM:
        outcome = GateOutcome.FAILED
    else:
        outcome = GateOutcome.WARNING if size > WARN_MM else GateOutcome.PASSED
    words = {
        GateOutcome.FAILED: ("层厚超过6 mm，不测量体积", "slices over 6 mm: no volumes"),
        GateOutcome.WARNING: ("层较厚，体积误差增大", "thick slices: larger errors of volumes"),
        GateOutcome.PASSED: ("层厚合适", "slice thickness is suitable"),
    }[outcome]
    remedy = ("请发送三维薄层序列", "Send a thin 3D series")
    return _gate(
        "slice-thickness",
        outcome,
        size,
        (f"{words[0]}（{size:g} mm）", f"{words[1]} ({size:g} mm)"),
        None if outcome is GateOutcome.PASSED else remedy,
    )


def geometry_gates(image: SeriesImage) -> list[Gate]:
    """Turn notes of the series' assembly into gates."""
    out = []
    for note in image.notes:
        if note.id in _SERIOUS:
            remedy = ("请补发缺失的影像", "Send the missing images")
            reason = (note.text.zh, note.text.en)
            out.append(_gate(note.id, GateOutcome.WARNING, note.value, reason, remedy))
    return out


def coverage_gate(image: SeriesImage) -> Gate:
    """Check that the scan is long enough along each axis to hold a whole head (mm)."""
    sides = [n * s for n, s in zip(image.volume.shape, image.volume.spacing, strict=True)]
    least = round(min(sides), 0)
    if least >= 115:
        return _gate("coverage", GateOutcome.PASSED, least, ("覆盖全脑", "covers the brain"))
    remedy = ("请发送覆盖全脑的序列", "Send a series that covers the whole brain")
    reason = (f"只覆盖{least:g} mm，非全脑", f"covers {least:g} mm only, no whole brain")
    return _gate("coverage", GateOutcome.FAILED, least, reason, remedy)


def contrast_agent_gate(image: SeriesImage) -> Gate:
    """Warn when a contrast agent changes the grey levels the tissues are told by."""
    agent = image.header.contrast_agent
    if agent is None:
        return _gate("contrast-agent", GateOutcome.PASSED, None, ("未使用对比剂", "no contrast"))
    remedy = ("请使用增强前序列", "Use the series before contrast")
    reason = ("增强扫描：组织体积偏差增大", "contrast given: tissue volumes are less sure")
    return _gate("contrast-agent", GateOutcome.WARNING, "given", reason, remedy)


def sequence_gate(reading: HeadReading) -> Gate:
    """Compare what the header says with what the tissues show."""
    s = reading.sequence
    if s.contrast is None:
        remedy = ("请核对序列名称", "Check the name of the series")
        reason = (
            f"序列不明确：标签为{s.header}，影像像{s.tissues}；不测量",
            f"sequence unclear: the header says {s.header}, tissues look like {s.tissues}",
        )
        return _gate("sequence", GateOutcome.FAILED, s.tissues, reason, remedy)
    if s.header is None:
        reason = (f"标签未说明，按影像判为{s.tissues}", f"{s.tissues} by its tissues only")
        return _gate("sequence", GateOutcome.WARNING, s.tissues, reason)
    reason = (f"{s.tissues}，标签与影像一致", f"{s.tissues}, header and tissues agree")
    return _gate("sequence", GateOutcome.PASSED, s.tissues, reason)


def brain_gates(reading: HeadReading) -> list[Gate]:
    """Check the size of the brain and whether two thinnings find the same one."""
    brain = reading.brain
    ml = round(brain.ml)
    agreement = round(brain.agreement, 3)
    if SMALLEST_BRAIN_ML <= ml <= LARGEST_BRAIN_ML:
        size = _gate("brain-size", GateOutcome.PASSED, ml, ("大小合理", "plausible size"))
    else:
        remedy = ("请目测分割轮廓", "Look at the outline")
        reason = (f"脑体积{ml} mL不可信", f"a brain of {ml} mL is implausible")
        size = _gate("brain-size", GateOutcome.FAILED, ml, reason, remedy)
    if agreement >= 0.9:
        reason = ("两次提取一致", "two extractions agree")
        return [size, _gate("extraction", GateOutcome.PASSED, agreement, reason)]
    remedy = ("请目测分割轮廓", "Look at the outline")
    reason = (f"脑提取不稳定（{agreement:g}）", f"extraction is unsteady ({agreement:g})")
    return [size, _gate("extraction", GateOutcome.WARNING, agreement, reason, remedy)]


def failed(gates: Sequence[Gate]) -> Text | None:
    """Return the reasons of all failed gates, None without any."""
    bad = [g for g in gates if g.outcome is GateOutcome.FAILED]
    if not bad:
        return None
    return Text(zh="；".join(g.reason.zh for g in bad), en="; ".join(g.reason.en for g in bad))
