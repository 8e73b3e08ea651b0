# SPDX-License-Identifier: Apache-2.0
"""The manifest of brain-mri: what it takes and gives, and the evidence for it."""

import json
from importlib import resources

from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.ports import Budget, EvidenceRecord, Manifest, Parameter
from healthvision.plugins.applications.brain_mri import words

VERSION = "0.1.0"

LIMITATIONS = (
    Text(
        zh="体积与指数仅在程序生成的头部体模上验证（E1）；真实影像上仅检查过合理性，误差预计更大。",
        en="Volumes and indices were verified on procedural head phantoms only (E1); real scans "
        "were only looked at for plausibility, expect larger errors.",
    ),
    Text(
        zh="非典型区域只表示与对侧不同，原因与性质未定；双侧对称或小于约2 cm的病灶会漏检。",
        en="An atypical region only differs from the other side; its cause is not determined. "
        "Lesions on both sides or below about 2 cm are missed.",
    ),
    Text(
        zh="FLAIR上不区分灰质与白质体积（体模误差达23%）；T2体积误差大于T1。",
        en="On FLAIR grey and white matter are not told apart (up to 23 % off on phantoms); "
        "volumes on T2 are less exact than on T1.",
    ),
    Text(
        zh="没有按年龄与性别的正常值：不给出百分位数。",
        en="No norms by age and sex are coded: no percentiles are given.",
    ),
)


def read_evidence() -> tuple[EvidenceRecord, ...]:
    """Return the records of ``evidence.json``; ``scripts/evaluate_brain_mri.py`` writes it."""
    file = resources.files("healthvision.plugins.applications.brain_mri").joinpath("evidence.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    return tuple(
        EvidenceRecord(
            metric=f["metric"],
            value=round(f["value"], 4),
            low=round(f["low"], 4),
            high=round(f["high"], 4),
            n=f["n"],
            data=record["data"],
            level=EvidenceLevel.E1,
            command=f"python scripts/evaluate_brain_mri.py {record['count']}",
        )
        for f in record["figures"]
    )


MANIFEST = Manifest(
    id="brain-mri",
    version=VERSION,
    title=Text(zh="脑部MRI分析", en="Brain MRI analysis"),
    description=Text(
        zh="测量颅内容积、灰质、白质、脑脊液、脑室与Evans指数及左右不对称；FLAIR上测量白质高信号；"
        "标出与对侧不同的非典型区域（不判断原因）。",
        en="Measures intracranial volume, grey and white matter, fluid, ventricles, Evans index "
        "and left-right asymmetry; white matter hyperintensities on FLAIR; marks regions unlike "
        "the other side without naming a cause.",
    ),
    accepts="Modality == 'MR' && (instance_count >= 15 || NumberOfFrames >= 15)",
    body_parts=("BRAIN", "HEAD"),
    outputs=(words.WIDE_VENTRICLES, words.HYPERINTENSITY, words.ATYPICAL, words.GROWN),
    intended_use=Text(
        zh="供放射科医生参考的辅助工具，不是医疗器械，不能代替诊断。",
        en="Decision support for a radiologist. Not a medical device, no diagnosis.",
    ),
    limitations=LIMITATIONS,
    parameters=(
        Parameter(
            name="series_uid",
            kind="text",
            title=Text(zh="只分析此序列", en="the series to analyse"),
        ),
        *(
            Parameter(
                name=f"lesion_{axis}",
                kind="number",
                title=Text(
                    zh=f"医生标记的{axis}坐标（LPS，mm）",
                    en=f"{axis} of the doctor's mark (LPS, mm)",
                ),
            )
            for axis in "xyz"
        ),
    ),
    evidence_level=EvidenceLevel.E1,
    evidence=read_evidence(),
    budget=Budget(memory_mb=3072, cpu_seconds=240, wall_seconds=180, threads=2),
)
