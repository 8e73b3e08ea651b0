# SPDX-License-Identifier: Apache-2.0
"""Realistic sample results of the lung CT application for tests of reports, FHIR and others."""

import hashlib
import io
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image

from healthvision.clinical.guidelines import (
    Density,
    NoduleFacts,
    fleischner_2017,
    lung_rads_2022_nodule,
)
from healthvision.clinical.result import (
    ApplicationRef,
    ChosenSeries,
    Code,
    Confidence,
    Contribution,
    EvidenceLevel,
    Explanation,
    ExplicitNegative,
    Finding,
    Gate,
    GateOutcome,
    InputDigest,
    Interval,
    Laterality,
    Location,
    Measurement,
    OutputRef,
    OverlayRef,
    PatientRef,
    Priority,
    Result,
    ResultStatus,
    Text,
    Timings,
)

ROOT = "1.2.826.0.1.3680043.10.1561"
HOSTILE = "<script>alert('x')</script> & <b>bold</b> {{ 7*7 }} \x07\u202e"
FORMULA = "=cmd()|' /C calc'!A0"

_REGIONS = (
    (Text(zh="右肺上叶区", en="right upper zone"), Laterality.RIGHT),
    (Text(zh="左肺下叶区", en="left lower zone"), Laterality.LEFT),
    (Text(zh="右肺中部", en="right middle zone"), Laterality.RIGHT),
)
_DENSITIES: tuple[Density, ...] = ("solid", "part-solid", "ground-glass")
_DENSITY_CODES = {
    "solid": Code(scheme="SCT", value="255566003", meaning="Solid"),
    "part-solid": Code(scheme="99HV", value="part-solid", meaning="Part-solid"),
    "ground-glass": Code(scheme="99HV", value="ground-glass", meaning="Ground glass"),
}
_DENSITY = Code(scheme="99HV", value="density", meaning="Density type")
NODULE = Code(scheme="SCT", value="427359005", meaning="Solitary nodule of lung")


def _measure(
    value: str, meaning: str, zh: str, number: float, unit: str, spread: float
) -> Measurement:
    return Measurement(
        code=Code(scheme="99HV", value=value, meaning=meaning),
        label=Text(zh=zh, en=meaning),
        value=number,
        unit=unit,
        interval=Interval(low=max(0.0, number - spread), high=number + spread) if spread else None,
        method="half-maximum region growing, 8 perturbations",
    )


def nodule(number: int, size: float, density: Density, *, confidence: float | None) -> Finding:
    """Return one nodule finding with both guideline categories and an explanation."""
    region, side = _REGIONS[number % 3]
    core = 0.45 * size if density == "part-solid" else None
    facts = NoduleFacts(density, size, core)
    measures = [
        _measure("mean-diameter", "Mean diameter", "平均直径", size, "mm", 0.4),
        _measure("long-axis", "Long axis", "长径", size * 1.12, "mm", 0.5),
        _measure("short-axis", "Short axis", "短径", size * 0.88, "mm", 0.5),
        _measure("volume", "Volume", "体积", 0.5236 * size**3, "mm3", 0.06 * size**3),
        _measure("mean-hu", "Mean attenuation", "平均 CT 值", 32.0, "[hnsf'U]", 9.0),
    ]
    if core is not None:
        measures.append(_measure("solid-core", "Solid core", "实性成分直径", core, "mm", 0.6))
    absent = Text(
        zh="层厚大于 2.5 mm，未校准，不给出置信度。",
        en="Slices thicker than 2.5 mm: not calibrated, no confidence is given.",
    )
    return Finding(
        tracking_id=f"nodule-{number}",
        tracking_uid=f"{ROOT}.9.{number}",
        code=NODULE,
        label=Text(zh="疑似肺结节", en="Suspected lung nodule"),
        location=Location(
            position_lps_mm=(-52.4 + number, 12.25, -188.0 - number),
            series_uid=f"{ROOT}.2",
            sop_instance_uid=f"{ROOT}.3.{100 + number}",
            region=region,
            laterality=side,
        ),
        measurements=tuple(measures),
        attributes=((_DENSITY, _DENSITY_CODES[density]),),
        categories=(
            lung_rads_2022_nodule(facts),
            fleischner_2017(facts, multiple=True, risk=None, age_years=63),
        ),
        confidence=Confidence(
            value=confidence,
            reason_absent=absent if confidence is None else None,
            interval=None
            if confidence is None
            else Interval(low=max(0.0, confidence - 0.09), high=min(1.0, confidence + 0.06)),
            method="random forest, isotonic calibration",
            calibrated_on="20 held-out phantoms",
        ),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="forest path contributions (probability)",
            text=Text(
                zh="圆形度 0.62，不呈条索状，平均密度 32 HU，距胸膜 11 mm；"
                "与邻近血管分离，因此判断为结节而非血管断面。",
                en="Roundness 0.62, not elongated, mean density 32 HU, 11 mm from the pleura;"
                " separate from the neighbouring vessel, hence a nodule and no vessel section.",
            ),
            overlay=OverlayRef(segment=number + 2, images=(f"key-{number}.png",)),
            contributions=tuple(
                Contribution(feature=name, label=Text(zh=zh, en=en), value=value, contribution=part)
                for name, zh, en, value, part in (
                    ("roundness", "圆形度", "Roundness", 0.62, 0.214),
                    ("response", "LoG 响应", "LoG response", 182.0, 0.131),
                    ("pleura_mm", "距胸膜 (mm)", "Distance to pleura (mm)", 11.0, 0.052),
                    ("elongation", "延长度", "Elongation", 1.31, -0.047),
                    ("vessel", "与血管接触", "Contact with vessel", 0.2, -0.093),
                )
            ),
        ),
    )


def _gates(*extra: Gate) -> tuple[Gate, ...]:
    passed = (
        ("is-ct", None, "模态为 CT，CT 值范围合理。", "Modality CT, plausible HU range."),
        ("slice-thickness", 1.0, "层厚不大于 2.5 mm。", "Slices of 2.5 mm or thinner."),
        ("lung-volume", 4.21, "肺容积在 1-10 L 内。", "Lung volume within 1-10 L."),
    )
    return tuple(extra) + tuple(
        Gate(id=i, outcome=GateOutcome.PASSED, value=v, reason=Text(zh=zh, en=en))
        for i, v, zh, en in passed
        if i not in {gate.id for gate in extra}
    )


def lung_ct() -> Result:
    """Return a complete result with three nodules, lung volumes and an explicit negative."""
    start = datetime(2026, 11, 20, 8, 30, 0, tzinfo=UTC)
    findings = (
        nodule(1, 8.4, "solid", confidence=0.93),
        nodule(2, 12.6, "part-solid", confidence=0.81),
        nodule(3, 5.2, "ground-glass", confidence=0.44),
    )
    return Result(
        id="0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
        task_id="0193a1b2-0000-7e4f-8a5b-6c7d8e9f0a1b",
        org_id="0193a1b2-1111-7e4f-8a5b-6c7d8e9f0a1b",
        space_id=None,
        study_uid=f"{ROOT}.1",
        accession_number="CT20261120-0042",
        study_date="20261120",
        patient=PatientRef(
            patient_key="0193a1b2-2222-7e4f-8a5b-6c7d8e9f0a1b",
            patient_id="P-100234",
            issuer="HV-HOSPITAL",
            sex="M",
            age_years=63,
        ),
        series=ChosenSeries(
            series_uid=f"{ROOT}.2",
            frame_of_reference_uid=f"{ROOT}.7",
            modality="CT",
            description="Chest 1.0 B30f",
            reason=Text(zh="薄层软组织核序列。", en="Thinnest series with a soft kernel."),
            rejected=((f"{ROOT}.4", Text(zh="层厚 5 mm。", en="Slices of 5 mm.")),),
        ),
        inputs=tuple(
            InputDigest(
                sop_instance_uid=f"{ROOT}.3.{i}",
                sha256=hashlib.sha256(str(i).encode()).hexdigest(),
            )
            for i in range(300)
        ),
        application=ApplicationRef(
            id="lung-ct",
            version="0.1.0",
            title=Text(zh="肺部 CT 辅助诊断", en="Lung CT decision support"),
            weights_sha256=hashlib.sha256(b"weights").hexdigest(),
            environment_sha256=hashlib.sha256(b"environment").hexdigest(),
            seed=20261,
        ),
        status=ResultStatus.COMPLETE,
        priority=Priority.STAT,
        timings=Timings(
            last_instance_at=start - timedelta(seconds=9),
            submitted_at=start - timedelta(seconds=2),
            started_at=start,
            finished_at=start + timedelta(seconds=21.4),
            deadline_at=start + timedelta(seconds=51),
            stages_s={"lungs": 5.31, "candidates": 9.02, "measure": 3.7, "emphysema": 1.9},
        ),
        gates=_gates(),
        findings=findings,
        measurements=(
            _measure("lung-volume", "Lung volume", "全肺容积", 4213.0, "mL", 42.0),
            _measure("right-lung", "Right lung volume", "右肺容积", 2281.0, "mL", 25.0),
            _measure("left-lung", "Left lung volume", "左肺容积", 1932.0, "mL", 22.0),
            _measure("laa950", "LAA-950 (denoised)", "低衰减区 LAA-950（降噪）", 1.8, "%", 0.9),
            _measure("perc15", "15th percentile", "第 15 百分位", -921.0, "[hnsf'U]", 0),
        ),
        negatives=(
            ExplicitNegative(
                code=Code(scheme="99HV", value="solid-nodule-15", meaning="Solid nodule >= 15 mm"),
                label=Text(zh="未见 ≥ 15 mm 的实性结节", en="No solid nodule of 15 mm or more"),
                detection_limit=Text(
                    zh="体模上 ≥ 6 mm 结节的检出率 0.93（每例 2 个假阳性）。",
                    en="Sensitivity on phantoms for nodules of 6 mm or more: 0.93 at 2 false"
                    " positives per scan.",
                ),
                evidence_level=EvidenceLevel.E1,
            ),
        ),
        summary=Text(
            zh="3 处疑似肺结节，最大 12.6 mm（部分实性，Lung-RADS 3）。无明显肺气肿。",
            en="3 suspected lung nodules, the largest 12.6 mm (part-solid, Lung-RADS 3)."
            " No relevant emphysema.",
        ),
        limitations=(
            Text(
                zh="仅在体模上验证（E1），尚无真实病例评估。",
                en="Validated on phantoms only (E1); no evaluation on real cases yet.",
            ),
            Text(
                zh="肺区按上中下三等分，并非解剖肺叶。",
                en="Zones are thirds of the lung, not anatomical lobes.",
            ),
        ),
        evidence_level=EvidenceLevel.E1,
        outputs=(
            OutputRef(
                name="seg",
                kind="SEG",
                sop_instance_uid=f"{ROOT}.5.1",
                series_uid=f"{ROOT}.5",
                sha256=hashlib.sha256(b"seg").hexdigest(),
            ),
        ),
    )


def abstained() -> Result:
    """Return a result that abstained because of a failed gate."""
    gate = Gate(
        id="slice-thickness",
        outcome=GateOutcome.FAILED,
        value=7.5,
        reason=Text(zh="层厚大于 5 mm，无法分析结节。", en="Slices thicker than 5 mm: no nodules."),
        remedy=Text(
            zh="请发送 1-2.5 mm 的薄层重建序列。", en="Send a thin reconstruction of 1-2.5 mm."
        ),
    )
    return lung_ct().model_copy(
        update={
            "id": "0193a1b2-aaaa-7e4f-8a5b-6c7d8e9f0a1b",
            "status": ResultStatus.ABSTAINED,
            "abstained_reason": Text(
                zh="层厚 7.5 mm 超出本应用的适用范围。",
                en="Slices of 7.5 mm are outside the domain of this application.",
            ),
            "gates": _gates(gate),
            "findings": (),
            "measurements": (),
            "negatives": (),
            "summary": Text(zh="不予判断。", en="Abstained."),
        }
    )


def with_warnings() -> Result:
    """Return a downgraded result: thick slices, one mass without category and confidence."""
    gate = Gate(
        id="slice-thickness",
        outcome=GateOutcome.WARNING,
        value=5.0,
        reason=Text(
            zh="层厚 5 mm：仅列出 ≥ 10 mm 的病灶，不给分级。",
            en="Slices of 5 mm: only lesions of 10 mm or more are listed, without category.",
        ),
        remedy=Text(zh="如有薄层序列请补传。", en="Send the thin series if there is one."),
    )
    contrast = Gate(
        id="contrast",
        outcome=GateOutcome.WARNING,
        value="Omnipaque",
        reason=Text(
            zh="增强扫描，密度类型仅供参考。", en="Contrast given: density type is a hint."
        ),
    )
    mass = nodule(1, 34.2, "solid", confidence=None).model_copy(update={"categories": ()})
    return lung_ct().model_copy(
        update={
            "id": "0193a1b2-bbbb-7e4f-8a5b-6c7d8e9f0a1b",
            "gates": _gates(gate, contrast),
            "findings": (mass,),
            "summary": Text(zh="1 处肿块样病灶，34.2 mm。", en="1 mass-like lesion, 34.2 mm."),
        }
    )


def with_forty() -> Result:
    """Return a result with forty findings of all densities."""
    findings = tuple(
        nodule(i, 4.0 + 0.37 * i, _DENSITIES[i % 3], confidence=0.35 + 0.015 * i)
        for i in range(1, 41)
    )
    return lung_ct().model_copy(
        update={
            "id": "0193a1b2-cccc-7e4f-8a5b-6c7d8e9f0a1b",
            "findings": findings,
            "summary": Text(zh="40 处疑似肺结节。", en="40 suspected lung nodules."),
        }
    )


def hostile() -> Result:
    """Return a result whose texts try to break out of HTML, PDF markup and spreadsheets."""
    bad = Text(zh=f"{HOSTILE}喆😀{'长' * 3000}", en=f"{HOSTILE} {'W' * 5000}")
    first = nodule(1, 9.0, "solid", confidence=0.5)
    finding = first.model_copy(
        update={
            "label": Text(zh=FORMULA, en=FORMULA),
            "location": first.location.model_copy(update={"region": bad}),
            "explanation": first.explanation.model_copy(
                update={"text": bad, "method": HOSTILE},
            ),
        }
    )
    base = lung_ct()
    return base.model_copy(
        update={
            "id": "0193a1b2-dddd-7e4f-8a5b-6c7d8e9f0a1b",
            "accession_number": FORMULA,
            "patient": base.patient.model_copy(update={"patient_id": HOSTILE}),
            "findings": (finding,),
            "summary": bad,
            "limitations": (bad,),
            "gates": _gates(
                Gate(id=HOSTILE, outcome=GateOutcome.FAILED, value=HOSTILE, reason=bad, remedy=bad)
            ),
        }
    )


def key_png(number: int, *, size: int = 256) -> bytes:
    """Return a grey PNG with a bright disc and a ring, like a key slice with a drawing."""
    rows, columns = np.mgrid[0:size, 0:size]
    distance = np.hypot(rows - size * 0.45, columns - size * (0.3 + 0.1 * (number % 4)))
    grey = np.where(distance < size * 0.05, 210, 40 + (rows + columns) % 30).astype(np.uint8)
    pixels = np.repeat(grey[..., None], 3, axis=2)
    pixels[np.abs(distance - size * 0.08) < 1.2] = (255, 165, 0)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()
