# SPDX-License-Identifier: Apache-2.0
"""The fixed words of the reports in both languages, and the choice of language."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from healthvision.clinical.result import Text

Language: TypeAlias = Literal["zh", "en", "both"]


class ReportInputError(ValueError):
    """A report cannot be made of what was given, e.g. a key image that is no PNG."""


def _t(zh: str, en: str) -> Text:
    return Text(zh=zh, en=en)


LABELS: dict[str, Text] = {
    "report": _t("AI 分析报告", "AI analysis report"),
    "ai-unverified": _t("AI 结果，未经医生确认", "AI result, unverified"),
    "accepted": _t("AI 结果，医生已采纳", "AI result, accepted by a doctor"),
    "rejected": _t("AI 结果，医生不采纳", "AI result, rejected by a doctor"),
    "modified": _t("AI 结果，医生已修改", "AI result, modified by a doctor"),
    "not-a-device": _t(
        "仅供医生参考，非医疗器械", "Decision support for doctors, not a medical device"
    ),
    "superseded": _t("本结果已被更新的结果取代", "This result was superseded by a newer one"),
    "study": _t("检查信息", "Study"),
    "patient-name": _t("姓名", "Patient name"),
    "patient-id": _t("患者编号", "Patient ID"),
    "sex": _t("性别", "Sex"),
    "age": _t("年龄", "Age"),
    "years": _t("岁", "years"),
    "accession": _t("检查号", "Accession"),
    "study-date": _t("检查日期", "Study date"),
    "study-uid": _t("检查 UID", "Study UID"),
    "series": _t("分析序列", "Series analysed"),
    "priority": _t("优先级", "Priority"),
    "stat": _t("急诊", "STAT"),
    "urgent": _t("加急", "urgent"),
    "routine": _t("常规", "routine"),
    "bulk": _t("批量", "bulk"),
    "finished": _t("完成时间", "Finished"),
    "application": _t("应用", "Application"),
    "version": _t("版本", "Version"),
    "abstained": _t("不予判断", "Abstained"),
    "abstained-note": _t(
        "没有给出所见，不等于正常。", "No findings were reported; this does not mean normal."
    ),
    "gates-failed": _t("质量门未通过", "Quality gate failed"),
    "gates-warning": _t("质量警告", "Quality warning"),
    "gates-part": _t(
        "质量门未通过，此部分不作答", "Quality gate failed, this part is not answered"
    ),
    "remedy": _t("处理办法", "What to do"),
    "measured": _t("实测值", "value"),
    "summary": _t("摘要", "Summary"),
    "findings": _t("AI 所见", "AI findings"),
    "no-findings": _t("没有 AI 所见。", "No AI findings."),
    "where": _t("部位", "Where"),
    "size": _t("大小（区间）", "Size (interval)"),
    "type": _t("密度与性状", "Density, type"),
    "category": _t("指南分级", "Category"),
    "confidence": _t("置信度", "Confidence"),
    "evidence": _t("证据等级", "Evidence"),
    "none": _t("无", "none"),
    "interval": _t("置信区间", "CI"),
    "intervals": _t("测量值的区间", "Intervals of measurements"),
    "study-measures": _t("整体测量", "Measurements of the study"),
    "measure": _t("项目", "Item"),
    "value": _t("数值（区间）", "Value (interval)"),
    "method": _t("方法", "Method"),
    "negatives": _t("未见（含检出限）", "Looked for and not found"),
    "limit": _t("检出限", "Detection limit"),
    "key-images": _t("关键影像", "Key images"),
    "image": _t("影像", "Image"),
    "overview": _t("概览", "overview"),
    "details": _t("逐项说明", "Details of each finding"),
    "finding": _t("所见", "Finding"),
    "why": _t("判断依据", "Explanation"),
    "contributions": _t("各特征的贡献", "Feature contributions"),
    "more-contributions": _t("项较小的贡献未列出", "smaller contributions not shown"),
    "raises": _t("提高", "raises"),
    "lowers": _t("降低", "lowers"),
    "position": _t("位置 LPS (mm)", "Position LPS (mm)"),
    "calibrated": _t("校准数据", "calibrated on"),
    "exam-category": _t("检查总分级", "Category of the examination"),
    "risk": _t("恶性风险模型", "Malignancy risk model"),
    "risk-range": _t("随未知项变化的范围", "range over what is not known"),
    "not-known": _t("未知", "not known"),
    "made-for": _t("适用人群", "made for"),
    "management": _t("随访建议", "Follow-up"),
    "assumption": _t("假定", "Assumption"),
    "rules": _t("规则依据", "Rule trace"),
    "inputs": _t("输入", "inputs"),
    "matched": _t("命中", "matched"),
    "not-matched": _t("未命中", "not matched"),
    "other-rules": _t("条规则已核对、未命中", "further rules looked at, not matched"),
    "source": _t("来源", "Source"),
    "limitations": _t("局限性", "Limitations"),
    "gates-passed": _t("已通过的质量门", "Quality gates passed"),
    "provenance": _t("溯源", "Provenance"),
    "weights": _t("权重 SHA-256", "Weights SHA-256"),
    "no-weights": _t("无（经典算法）", "none (no trained weights)"),
    "environment": _t("运行环境 SHA-256", "Environment SHA-256"),
    "seed": _t("随机种子", "Seed"),
    "inputs-count": _t("输入影像", "Input objects"),
    "inputs-digest": _t("输入摘要 SHA-256", "Digest of inputs SHA-256"),
    "series-reason": _t("序列选择理由", "Why this series"),
    "series-rejected": _t("未选序列", "Series not taken"),
    "timings": _t("用时", "Timings"),
    "stages": _t("各步用时", "Stages"),
    "started": _t("开始", "started"),
    "last-instance": _t("最后一幅影像到达", "last image received"),
    "deadline-kept": _t("时限内完成", "deadline kept"),
    "deadline-missed": _t("超出时限", "deadline missed"),
    "result-id": _t("结果编号", "Result"),
    "result-version": _t("结果版本", "Result version"),
    "supersedes": _t("取代", "Supersedes"),
    "evidence-result": _t("本结果证据等级", "Evidence level of the result"),
    "unmeasured": _t("未在此测量", "nothing measured here"),
    "E0": _t("E0 公式经核对", "E0 formula verified"),
    "E1": _t("E1 体模验证", "E1 measured on phantoms"),
    "E2": _t("E2 公开病例验证", "E2 measured on public cases"),
    "E3": _t("E3 外部机构验证", "E3 validated externally"),
    "page": _t("页", "page"),
    "batch": _t("批量任务汇总", "Batch summary"),
    "batch-studies": _t("检查数", "Studies"),
    "complete": _t("完成", "Complete"),
    "failed": _t("失败", "Failed"),
    "status": _t("状态", "Status"),
    "result": _t("结果", "Result"),
    "count": _t("所见数", "Findings"),
    "left": _t("左", "left"),
    "right": _t("右", "right"),
    "both": _t("双侧", "both"),
    "midline": _t("中线", "midline"),
    "M": _t("男", "male"),
    "F": _t("女", "female"),
    "O": _t("其他", "other"),
}

GUIDELINES: dict[str, str] = {
    "lung-rads-v2022": "Lung-RADS v2022",
    "fleischner-2017": "Fleischner 2017",
    "bts-2015": "BTS 2015",
    "c-lung-rads": "C-Lung-RADS",
}

# Parts of category values such as 'solid-single-6to8-low', longest first.
_VALUE_WORDS: tuple[tuple[str, Text], ...] = (
    ("core-under6", _t("实性成分<6 mm", "core <6 mm")),
    ("core-6plus", _t("实性成分≥6 mm", "core ≥6 mm")),
    ("not-applicable", _t("不适用", "not applicable")),
    ("ct-surveillance", _t("CT 随访", "CT surveillance")),
    ("ct-12-months", _t("12 个月 CT", "CT 12 months")),
    ("ct-3-months", _t("3 个月 CT", "CT 3 months")),
    ("assess-risk", _t("评估风险", "assess risk")),
    ("discharge", _t("无需随访", "discharge")),
    ("part-solid", _t("部分实性", "part-solid")),
    ("subsolid", _t("亚实性", "subsolid")),
    ("multiple", _t("多发", "multiple")),
    ("under6", _t("<6 mm", "<6 mm")),
    ("pet-ct", _t("PET/CT", "PET/CT")),
    ("benign", _t("良性", "benign")),
    ("single", _t("单发", "single")),
    ("6plus", _t("≥6 mm", "≥6 mm")),
    ("over8", _t(">8 mm", ">8 mm")),
    ("solid", _t("实性", "solid")),
    ("6to8", _t("6–8 mm", "6–8 mm")),
    ("high", _t("高风险", "high risk")),
    ("ggn", _t("磨玻璃", "ground-glass")),
    ("low", _t("低风险", "low risk")),
)

# Meanings of coded attributes that the product's own applications use.
_MEANINGS: dict[str, str] = {
    "density": "密度",
    "attenuation": "密度",
    "density type": "密度类型",
    "nodule density": "结节密度",
    "density type of nodule": "结节密度类型",
    "solid nodule": "实性结节",
    "part-solid nodule": "部分实性结节",
    "ground-glass nodule": "磨玻璃结节",
    "calcified nodule": "钙化结节",
    "margin": "边缘",
    "shape": "形状",
    "calcification": "钙化",
    "attachment": "附着",
    "solid": "实性",
    "part-solid": "部分实性",
    "part solid": "部分实性",
    "partially solid": "部分实性",
    "ground-glass": "磨玻璃",
    "ground glass": "磨玻璃",
    "ground glass opacity": "磨玻璃",
    "non-solid": "磨玻璃",
    "calcified": "钙化",
    "fat": "含脂肪",
    "smooth": "光滑",
    "spiculated": "毛刺",
    "lobulated": "分叶",
    "irregular": "不规则",
    "isolated": "孤立",
    "juxtapleural": "胸膜旁",
    "juxtavascular": "血管旁",
    "yes": "是",
    "no": "否",
}


def category_words(value: str) -> Text:
    """Return a category value in words; short values such as '4A' stay as they are."""
    rest, zh, en = value, list[str](), list[str]()
    while rest:
        for part, text in _VALUE_WORDS:
            if rest == part or rest.startswith(part + "-"):
                zh.append(text.zh)
                en.append(text.en)
                rest = rest[len(part) + 1 :]
                break
        else:
            return Text(zh=value, en=value)
    return Text(zh=" ".join(zh), en=" ".join(en))


def meaning_words(meaning: str) -> Text:
    """Return the words for the meaning of a code; unknown ones stay English."""
    return Text(zh=_MEANINGS.get(meaning.casefold(), meaning), en=meaning)


@dataclass(frozen=True, slots=True)
class Speech:
    """Says texts in the language of the report."""

    language: Language

    def short(self, text: Text) -> str:
        """Return one line; both languages are joined by a slash."""
        if self.language == "both":
            return text.zh if text.zh == text.en else f"{text.zh} / {text.en}"
        return text.zh if self.language == "zh" else text.en

    def long(self, text: Text) -> tuple[str, ...]:
        """Return one paragraph per language."""
        if self.language == "both":
            return (text.zh,) if text.zh == text.en else (text.zh, text.en)
        return (text.zh if self.language == "zh" else text.en,)

    def label(self, key: str) -> str:
        """Return a fixed word; both languages are joined by a space."""
        text = LABELS[key]
        if self.language == "both":
            return text.zh if text.zh == text.en else f"{text.zh} {text.en}"
        return text.zh if self.language == "zh" else text.en

    def lines(self, key: str) -> tuple[str, ...]:
        """Return a fixed word as one line per language, for heads of narrow columns."""
        return self.long(LABELS[key])

    def titled(self, key: str, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Put the fixed word in front of each line, in the language of that line."""
        names = self.long(LABELS[key])
        if len(names) != len(lines):
            return tuple(f"{self.label(key)}: {line}" for line in lines)
        return tuple(f"{name}: {line}" for name, line in zip(names, lines, strict=True))
