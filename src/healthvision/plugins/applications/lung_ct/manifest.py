# SPDX-License-Identifier: Apache-2.0
"""The manifest of lung-ct: what it takes and gives, and the evidence for it."""

import hashlib

from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.gates import FULL_MM
from healthvision.clinical.chest.intervals import COVERAGE, ERRORS
from healthvision.clinical.chest.nodules import WEIGHTS, read_forest
from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.ports import Budget, Manifest, Weights
from healthvision.plugins.applications.lung_ct import words
from healthvision.plugins.applications.lung_ct.evidence import EVIDENCE

VERSION = "0.3.0"


def _sizes() -> Text:
    """Say how the intervals of sizes were made and how often they held on other phantoms."""
    held = {e.metric: e for e in EVIDENCE}
    diameter, volume = held["diameter-interval-coverage"], held["volume-interval-coverage"]
    fitted = sum(errors.n for errors in ERRORS.values())
    return Text(
        zh=f"结节大小的{COVERAGE:.0%}区间由层厚不超过{FULL_MM:g} mm的{fitted}个体模结节"
        f"按五类测量难度拟合，层厚更大时不给出区间；在另外{diameter.n}个体模结节上，{diameter.value:.1%}的直径和"
        f"{volume.value:.1%}的体积落在区间内（统计于低密度核心结节的区间因样本少而放宽之前）。"
        "部分实性、低密度核心、贴附血管或胸膜者区间较宽；真实病例上未验证。",
        en=f"The {COVERAGE:.0%} intervals of nodule sizes were fitted on {fitted} nodules of "
        f"phantoms with slices up to {FULL_MM:g} mm in five classes of difficulty; thicker slices "
        f"get none. Of {diameter.n} other nodules of phantoms {diameter.value:.1%} of the "
        f"diameters and {volume.value:.1%} of the volumes lay inside, counted before the "
        "intervals of nodules with a dim core were widened, as these were few. They are wide for "
        "part-solid nodules, dim cores and those that touch vessels or pleura, and not verified "
        "on patients.",
    )


LIMITATIONS = (
    Text(
        zh="仅在程序生成的体模上验证（E1），真实病例上的表现预计明显较差。",
        en="Verified on procedural phantoms only (E1); expect clearly worse on patients.",
    ),
    Text(
        zh="未评估毛刺、边缘、淋巴结、空洞及气道内结节；未与既往检查比较，分级按基线检查给出。",
        en="Spiculation, margins, lymph nodes, cavities and airway nodules are not assessed; there "
        "is no comparison with a prior examination, so categories assume a baseline.",
    ),
    Text(
        zh="位置为肺高度的三等分分区，不是肺叶。距中线20 mm以内、心脏及左前膈面上的肿块看不到。",
        en="Places are thirds of the lung's height, not lobes. Masses within 20 mm of the midline, "
        "at the heart and on the left front of the diaphragm are not seen.",
    ),
    _sizes(),
)


def manifest() -> tuple[Manifest, Forest]:
    """Return the manifest and the forest it names, read from the package."""
    forest, data = read_forest()
    return (
        Manifest(
            id="lung-ct",
            version=VERSION,
            title=Text(zh="肺部CT分析", en="Lung CT analysis"),
            description=Text(
                zh="测量双肺容积与肺气肿，查找肺结节与肿块，并给出 Lung-RADS v2022 与 "
                "Fleischner 2017 分级及依据。",
                en="Measures lungs and emphysema, finds nodules and masses, and gives Lung-RADS "
                "v2022 and Fleischner 2017 categories with their reasons.",
            ),
            accepts="Modality == 'CT' && (instance_count >= 20 || NumberOfFrames >= 20)",
            body_parts=("CHEST", "LUNG", "THORAX"),
            outputs=(words.SOLITARY, words.NODULE, words.MASS, words.EMPHYSEMA),
            intended_use=Text(
                zh="供放射科医生参考的辅助工具，不是医疗器械，不能代替诊断。",
                en="Decision support for a radiologist. Not a medical device, no diagnosis.",
            ),
            limitations=LIMITATIONS,
            evidence_level=EvidenceLevel.E1,
            evidence=EVIDENCE,
            weights=(
                Weights(
                    path=f"healthvision/clinical/chest/{WEIGHTS}",
                    sha256=hashlib.sha256(data).hexdigest(),
                    licence="Apache-2.0",
                    commercial_use=True,
                ),
            ),
            budget=Budget(memory_mb=3072, cpu_seconds=240, wall_seconds=180, threads=2),
        ),
        forest,
    )
