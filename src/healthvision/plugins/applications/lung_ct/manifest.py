# SPDX-License-Identifier: Apache-2.0
"""The manifest of lung-ct: what it takes and gives, and the evidence for it."""

import hashlib

from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.nodules import WEIGHTS, read_forest
from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.ports import Budget, Manifest, Weights
from healthvision.plugins.applications.lung_ct import words
from healthvision.plugins.applications.lung_ct.evidence import EVIDENCE

VERSION = "0.2.0"

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
