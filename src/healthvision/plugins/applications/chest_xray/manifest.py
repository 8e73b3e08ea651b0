# SPDX-License-Identifier: Apache-2.0
"""The manifest of chest-xray: what it takes and gives, and the evidence for it."""

import json
from typing import Any

from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.ports import Budget, EvidenceRecord, Manifest, Parameter, Weights
from healthvision.plugins.applications.chest_xray import ages, network, pneumonia, views, words
from healthvision.plugins.applications.chest_xray.child_card import child_limitations
from healthvision.plugins.applications.chest_xray.series import FRONTAL

VERSION = "1.2.0"

_FIXED = (
    Text(
        zh="标出的“致密影”不是疾病诊断，也不给出概率；未见标记不等于正常，不存在已测定的检出限。"
        "标记不足一侧肺野4%时不报告；位于心影后或膈下的病变会漏检。正常参考片均为1-5岁儿童：该年龄"
        "与参考片及对侧比较；其他年龄或年龄未知者须比对侧明显更致密，且高于儿童参考片的平均值，"
        "因此两侧对称的病变会漏检。",
        en="An opacity is no disease and has no probability; no mark does not mean normal, and "
        "there is no measured size from which on opacities are found. Marks below 4 % of a lung "
        "field are not reported; behind the heart and below the diaphragm opacities are missed. "
        "The normal films are all of children of 1 to 5 years. At that age a film is compared "
        "with them and with its other lung. At other ages, or when none is stated, a place must "
        "be far denser than in the other lung and above the mean of those children, so what is "
        "alike on both sides is missed.",
    ),
    Text(
        zh="致密影实测：1-5岁儿童，肺炎103例中标出73例，正常81例中误标12例；成人，COVID-19的13例中标出"
        "0例，正常35例中误标0例（片源为推断，阈值取自同源另35例）；投影体模中半径36 mm的植入球8个"
        "报告0个，52 mm的8个报告8个。成人多数致密影不会标出。",
        en="Opacities as measured. Of 1 to 5 years: 73 of 103 children with pneumonia were marked, "
        "and wrongly 12 of 81 normal children. Adults: 0 of 13 adults with COVID-19 were marked, "
        "and wrongly 0 of 35 normal adults (origin of the films inferred; the threshold was "
        "chosen on 35 others of the same source). On projected phantoms 0 of 8 planted balls of "
        "36 mm radius were reported, 8 of 8 of 52 mm. Most opacities of adults are not marked.",
    ),
    Text(
        zh="肺野网络以1-5岁儿童及少量成人（多为COVID-19）胸片训练；成人验证例数很少，见证据记录。",
        en="The lung network learned from films of children of 1 to 5 years and a few adults, most "
        "with COVID-19; few adults were held out, see the evidence record.",
    ),
    Text(
        zh="心胸比仅用于成人后前位，AP、卧位、儿童及投照位置未知时不给出。真实胸片没有公认的心胸比；开发者"
        "（非放射科医生）目测72例成人正位片的心缘作参照：给出68例，平均相差0.023，最大0.10，64例在区间内。"
        "心缘算法即在这些片上选定，新片上可能更差。左心缘淡或肺门、膈肌重叠时易错，请核对所画的线。"
        "在由CT体模投影的胸片上最大误差0.02（E1）。",
        en="The cardiothoracic ratio is for adults on PA only: not given on AP, supine, for "
        "children, or when the projection is not stated. No real film with an agreed ratio was at "
        "hand: the developers, who are no radiologists, read the heart borders of 72 frontal films "
        "of adults by eye. 68 were measured, 0.023 off on average and 0.10 at most, 64 of them "
        "within the interval. The border finder was chosen on these films, so new ones may do "
        "worse. A faint left border, the hilum and the diaphragm mislead it: check the drawn "
        "lines. On films projected from CT phantoms it was 0.02 off at most (E1).",
    ),
    Text(
        zh="不做成人肺炎、结核及14种异常的分类。现有公开结核数据的两组来自不同设备，仅看图像边框即可"
        "区分（AUC 0.99），不能用于训练；此类分类只能通过用户自带模型的适配器接入。",
        en="No classification of pneumonia in adults, of tuberculosis, or of the 14 common "
        "findings. In the public tuberculosis data at hand the two groups come from different "
        "machines (the outer frame alone tells them apart, AUC 0.99), so nothing was trained on "
        "it: such models come in through adapters, with weights that the user brings.",
    ),
    Text(
        zh="不评估气胸、管路位置、骨折、结节、肺门与纵隔；未见标记不等于正常。",
        en="Pneumothorax, lines and tubes, fractures, nodules, hila and mediastinum are not "
        "assessed; no mark does not mean normal.",
    ),
)

_SPEAKS_FOR = {
    "lung-": (words.LUNG_LEFT.value, words.LUNG_RIGHT.value),
    "ctr-": (words.WIDE_HEART.value,),
    "opacity-": (words.OPACITY.value,),
    "gate-": ("chest-film",),
    "child-": (words.SIGNS.value, words.UNSURE.value),
    "audit-": (words.SIGNS.value, words.UNSURE.value),
    "thorax-": (words.WIDE_HEART.value,),
}


def _record() -> dict[str, Any]:
    """Return what ``scripts/evaluate_chest_xray.py`` measured, and on which weights."""
    found: dict[str, Any] = json.loads(network.read("evidence.json"))
    return found


def read_evidence() -> tuple[EvidenceRecord, ...]:
    """Return the records of ``evidence.json``."""
    return tuple(
        EvidenceRecord(
            metric=f["metric"],
            value=round(f["value"], 4),
            low=round(f["low"], 4),
            high=round(f["high"], 4),
            n=f["n"],
            data=f["data"],
            level=EvidenceLevel(f["level"]),
            findings=next(v for k, v in _SPEAKS_FOR.items() if f["metric"].startswith(k)),
            command="python scripts/evaluate_chest_xray.py",
        )
        for f in _record()["figures"]
    )


def _weights(name: str) -> Weights:
    """Return a file of the package with the digest of the one that was measured."""
    return Weights(
        path=f"healthvision/plugins/applications/chest_xray/{name}",
        sha256=_record()["weights"][name],
        licence=f"Apache-2.0; learned from: {_CREDITS[name]}",
        commercial_use=True,
    )


_CHILDREN = "children Kermany, Zhang, Goldbaum 2018, Mendeley rscbjbr9sj (CC BY 4.0)"
_ADULTS = (
    "adults ml-workgroup covid-19-image-repository, Hannover (CC BY 3.0) and case reports "
    "(CC BY 4.0)"
)
_MASKS = "masks v7labs covid-19-xray-dataset (CC BY 4.0)"
_PAKISTAN = "Kiran, Jabeen, Mendeley 8j2g3csprk (origin inferred, CC BY 4.0)"
_CREDITS = {
    network.WEIGHTS: f"{_MASKS}, {_CHILDREN}, {_ADULTS}",
    network.REFERENCE: f"{_MASKS}, {_CHILDREN}, {_ADULTS}",
    pneumonia.WEIGHTS: _CHILDREN,
    pneumonia.REFERENCE: f"{_CHILDREN}, {_ADULTS}, {_PAKISTAN}",
}

_EVIDENCE = read_evidence()
LIMITATIONS = (*_FIXED, *child_limitations({e.metric: e for e in _EVIDENCE}))


MANIFEST = Manifest(
    id="chest-xray",
    version=VERSION,
    title=Text(zh="胸部X线分析", en="Chest X-ray analysis"),
    description=Text(
        zh="检查是否为正位胸片，勾画双肺野，测量心胸比（成人后前位），标出一侧肺明显更致密的区域；"
        "标明年龄为1-5岁的儿童另与正常片比较（不判断原因），并给出肺部灰阶符合肺炎的校准概率，不确定时明说。",
        en="Checks that it is a frontal chest film, outlines both lung fields, measures the "
        "cardiothoracic ratio (adults, PA), and marks places clearly denser than in the other "
        "lung, in children of 1 to 5 years also than on normal films, without naming a cause. In "
        "children of a stated age of 1 to 5 years it gives a calibrated probability of signs that "
        "fit pneumonia, or says unsure.",
    ),
    accepts="(Modality in ['DX', 'CR', 'DR', 'RG'] && (BodyPartExamined == '' || "
    "BodyPartExamined.matches('(?i)chest|thorax|lung'))) || (Modality in ['OT', 'SC', 'XC'] && "
    "BodyPartExamined.matches('(?i)chest|thorax|lung'))",
    body_parts=("CHEST", "LUNG", "THORAX"),
    outputs=(words.WIDE_HEART, words.OPACITY, words.SIGNS, words.UNSURE),
    intended_use=Text(
        zh="供放射科医生参考的辅助工具，不是医疗器械，不能代替诊断。",
        en="Decision support for a radiologist. Not a medical device, no diagnosis.",
    ),
    limitations=LIMITATIONS,
    parameters=(
        Parameter(
            name=views.PARAMETER,
            kind="text",
            title=Text(
                zh="投照位置，用于影像未注明者", en="view of the films whose header states none"
            ),
            choices=FRONTAL,
        ),
        Parameter(
            name=ages.PARAMETER,
            kind="integer",
            title=Text(
                zh="患者年龄（岁），影像未注明时用", en="age in years, where the header has none"
            ),
            low=0,
            high=ages.OLDEST,
        ),
    ),
    evidence_level=EvidenceLevel.E1,
    evidence=_EVIDENCE,
    weights=tuple(_weights(name) for name in _CREDITS),
    budget=Budget(memory_mb=1536, cpu_seconds=60, wall_seconds=60, threads=2),
)
