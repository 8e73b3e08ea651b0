# SPDX-License-Identifier: Apache-2.0
"""What the card says of the children's classifier; every number comes from the evidence record."""

from collections.abc import Mapping

from healthvision.clinical.result import Text
from healthvision.domains.modelhub.ports import EvidenceRecord


def _percent(record: EvidenceRecord) -> str:
    return f"{100 * record.value:.0f} %"


def _interval(record: EvidenceRecord) -> str:
    return f"{record.value:.3f} ({record.low:.3f}-{record.high:.3f})"


def child_limitations(by_name: Mapping[str, EvidenceRecord]) -> tuple[Text, ...]:
    """Return the paragraphs of the card from the records by metric."""
    return (_answers(by_name), _shortcuts(by_name), _domain(by_name))


_TOLD = ("signs-bacteria", "signs-virus", "signs-normal", "called-none-bacteria",
         "called-none-virus", "called-none-normal", "unsure", "conformal-coverage")  # fmt: skip


def _told(by_name: Mapping[str, EvidenceRecord], end: str = "") -> Text:
    """Return what was told how often; ``end``: of the metrics' names."""
    of = {name: _percent(by_name[f"child-{name}{end}"]) for name in _TOLD}
    return Text(
        zh=f"判“有征象”：细菌性{of['signs-bacteria']}，病毒性{of['signs-virus']}，正常{of['signs-normal']}；"
        f"判“无征象”：细菌性{of['called-none-bacteria']}，病毒性{of['called-none-virus']}，"
        f"正常{of['called-none-normal']}；不确定{of['unsure']}（90%保形集合，"
        f"实测覆盖{of['conformal-coverage']}）。",
        en=f"'signs' in {of['signs-bacteria']} of "
        f"bacterial and {of['signs-virus']} of viral pneumonia and in {of['signs-normal']} of "
        f"normal films, 'no signs' in {of['called-none-bacteria']}, {of['called-none-virus']} and "
        f"{of['called-none-normal']}, unsure in {of['unsure']} of all (conformal sets of "
        f"90 %, which held the truth in {of['conformal-coverage']}).",
    )


def _answers(by_name: Mapping[str, EvidenceRecord]) -> Text:
    r = by_name
    area, error, crossed = r["child-auc"], r["child-ece"], r["child-cv-auc"]
    own_area, own_error = r["child-auc-unsqueezed"], r["child-ece-unsqueezed"]
    told, own = _told(r), _told(r, "-unsqueezed")
    return Text(
        zh="儿童分类器只回答1-5岁儿童的双肺灰阶是否符合肺炎，不是诊断。对其未见过的患者（同一医院），"
        f"影像压缩变形为224x224（n={area.n}）："
        f"AUC {_interval(area)}，校准误差{_interval(error)}；五折交叉验证（同样变形）AUC "
        f"{_interval(crossed)}。{told.zh}"
        f"真实DICOM保持原有长宽比：原比例影像（384像素，n={own_area.n}）AUC {_interval(own_area)}，"
        f"校准误差{_interval(own_error)}；{own.zh}概率低不能排除肺炎。概率按约七成为肺炎的片源校准，"
        "肺炎少见处真实概率更低；单个概率不附区间。",
        en="The children's classifier tells whether the greys of both lungs fit pneumonia, in "
        "children of 1 to 5 years; no diagnosis. On patients it never saw, of the same hospital, "
        f"with films squeezed to 224 x 224 (n={area.n}): AUC {_interval(area)}, calibration error "
        f"{_interval(error)}; in five-fold cross-validation (squeezed as well) AUC "
        f"{_interval(crossed)}; it said {told.en} A real DICOM film has its own shape. On films "
        f"in their own shape (384 px, n={own_area.n}): AUC {_interval(own_area)}, calibration "
        f"error {_interval(own_error)}; it said {own.en} A low probability does not exclude "
        "pneumonia. The probability was calibrated where about seven in ten films showed "
        "pneumonia; where it is rarer, the true one is lower. A single probability comes without "
        "an interval.",
    )


def _shortcuts(by_name: Mapping[str, EvidenceRecord]) -> Text:
    matched = f"{by_name['audit-network-auc-matched-outside'].value:.2f}"
    inside = {n: _percent(by_name[f"child-inside-{n}"]) for n in ("median", "p05", "least")}
    given = {n: _percent(by_name[f"child-sheet-inside-{n}"]) for n in ("p05", "least")}
    a = {
        name: f"{by_name[f'audit-linear-{name}-auc'].value:.2f}"
        for name in (
            "whole-image", "outer-frame", "lungs-blacked-out", "lung-outline", "lungs-laid-flat")
    }  # fmt: skip
    return Text(
        zh="捷径审查：在这些片中，两组在肺外也不同。同样折分下的线性模型，仅看图像边框AUC "
        f"{a['outer-frame']}，涂黑双肺{a['lungs-blacked-out']}，仅看肺轮廓{a['lung-outline']}，"
        f"整幅图{a['whole-image']}，铺平的双肺{a['lungs-laid-flat']}。因此网络只得到铺平的双肺，"
        f"看不到大小和位置，几乎看不到肺外（像素位于肺野内：95%的片至少{given['p05']}，最少{given['least']}；"
        f"报告所见的片中支持判断的证据：中位{inside['median']}，"
        f"95%的片至少{inside['p05']}，最少{inside['least']}），轮廓也只余少许；在肺外看来相同的患病与正常片之间，其AUC为{matched}。"
        "但肺内灰阶也可能因摄片条件、呼吸或体位而不同，别处的数值可能更低。"
        "训练与测试均来自同一医院，没有外部验证。肺野网络曾用其中部分儿童的肺轮廓训练（第0折除外）。",
        en="Shortcut audit: in these films the two groups also differ outside the lungs. A linear "
        f"model on the same folds reaches AUC {a['outer-frame']} from the outer frame alone, "
        f"{a['lungs-blacked-out']} with the lungs blacked out, {a['lung-outline']} from the lungs' "
        f"outline, {a['whole-image']} from the whole picture and {a['lungs-laid-flat']} from the "
        "lungs laid flat. So the network is given the lungs laid flat, without their size or place "
        "and with almost nothing outside them, little of their outline (pixels inside the lung "
        f"fields: at least {given['p05']} on 95 % of films, {given['least']} on the worst; of the "
        f"evidence, on films told as a finding: median {inside['median']}, at least "
        f"{inside['p05']} on 95 %, {inside['least']} on the worst); between films with "
        "and without pneumonia that look alike outside the lungs its AUC is "
        f"{matched}. Greys inside the lungs may still differ "
        "by exposure, breathing or position: elsewhere its figures may well be lower. All of it "
        "comes from one hospital; there is no external validation. The lung network learned from "
        "outlines of some of these children (none of fold 0).",
    )


def _domain(by_name: Mapping[str, EvidenceRecord]) -> Text:
    r = {
        name: by_name[f"child-domain-{name}"]
        for name in (
            "answered-children", "refused-adults-covid-unseen", "refused-adults-covid-taught",
            "refused-adults-tb",
            "refused-adults-covid-source-out", "refused-adults-tb-source-out")
    }  # fmt: skip
    p = {name: _percent(record) for name, record in r.items()}
    n = {name: f"{round(record.value * record.n)}/{record.n}" for name, record in r.items()}
    grey = {
        name: _percent(by_name[f"child-changed-{name}"])
        for name in ("blurred-refused-normal", "brighter-signs-normal", "darker-signs-normal",
                     "brighter-signs-pneumonia", "darker-signs-pneumonia")
    }  # fmt: skip
    return Text(
        zh="适用范围：未标明年龄、年龄无法读取或与出生日期不符、年龄不是1-5岁者一律不作答"
        "（调用者可用参数patient_age_years给出年龄）；此外影像须像其学习过的儿童片，这是第二道防线。"
        f"仅凭影像：未见过的1-5岁儿童{p['answered-children']}可作答；成人片被拒："
        f"COVID-19未见过的{n['refused-adults-covid-unseen']}，其肺轮廓曾训练肺野网络的"
        f"{n['refused-adults-covid-taught']}；结核及正常{n['refused-adults-tb']}；整个来源都未学习时为"
        f"{p['refused-adults-covid-source-out']}和{p['refused-adults-tb-source-out']}。"
        f"模糊的片不作答（模糊后正常片{grey['blurred-refused-normal']}不作答）。"
        "灰阶处理会改变结果：调亮后判“有征象”"
        f"正常{grey['brighter-signs-normal']}、肺炎{grey['brighter-signs-pneumonia']}，"
        f"调暗后{grey['darker-signs-normal']}、{grey['darker-signs-pneumonia']}。"
        "儿童与成人来自不同医院，判断可能部分依赖来源。婴儿及6-14岁没有数据，影像无法识别他们，因此必须标明年龄。",
        en="Domain: no answer without a stated age of 1 to 5 years, nor where the age cannot be "
        "read or is against the birth date (the caller may state it by the parameter "
        "patient_age_years). The film must also look like the children's films learned from, a "
        f"second line of defence. By the picture alone {p['answered-children']} of children of 1 "
        "to 5 years it never saw could be answered. Adults' films refused by it: "
        f"{n['refused-adults-covid-unseen']} with COVID-19 that nothing learned from and "
        f"{n['refused-adults-covid-taught']} whose masks taught the lung network it rests on, "
        f"{n['refused-adults-tb']} of tuberculosis and normal; with the whole source unknown "
        f"{p['refused-adults-covid-source-out']} and {p['refused-adults-tb-source-out']}. Blurred "
        f"films get no answer ({grey['blurred-refused-normal']} of normal ones once blurred). "
        "Processing of the greys changes answers: 'signs' in "
        f"{grey['brighter-signs-normal']} of normal films and "
        f"{grey['brighter-signs-pneumonia']} of those with pneumonia once made brighter, in "
        f"{grey['darker-signs-normal']} and {grey['darker-signs-pneumonia']} once made darker. "
        "Children and adults come from different hospitals, so that in part sources may be told "
        "apart. "
        "There were no films of infants or of 6 to 14 years: the picture does not tell them, so "
        "the age must be stated.",
    )
