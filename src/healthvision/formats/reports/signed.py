# SPDX-License-Identifier: Apache-2.0
"""A report signed by doctors, as values, and as PDF. SR and FHIR are made of the same values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reportlab.platypus import Flowable, Spacer

from healthvision.clinical.result import Text
from healthvision.formats.reports import pdf_style as look
from healthvision.formats.reports.pdf import build
from healthvision.formats.reports.pdf_parts import box, fact_table, heading
from healthvision.formats.reports.pdf_style import para
from healthvision.formats.reports.provenance import Fact

_PARAGRAPH = 1500  # characters; longer ones are cut into several, so that a page can break


@dataclass(frozen=True, slots=True)
class Addendum:
    """Text added to a signed report."""

    number: int
    text: str
    author_name: str
    signed_at: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class SignedReport:
    """One signed version of a report with its addenda.

    ``number`` counts versions and addenda; ``version`` > 1: it supersedes the one before.
    ``modalities`` as in DICOM; dates as YYYYMMDD. Empty texts are left out when shown.
    ``institution``: where it was signed.
    """

    report_id: str
    number: int
    version: int
    language: Literal["zh", "en"]
    study_uid: str
    accession_number: str
    study_date: str
    study_description: str
    modalities: tuple[str, ...]
    patient_key: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_sex: str
    patient_birth_date: str
    polarity: str | None  # 'positive', 'negative'
    critical: bool
    clinical: str
    technique: str
    comparison: str
    findings: str
    impression: str
    recommendation: str
    author_name: str
    reviewer_name: str
    signed_at: datetime
    sha256: str
    addenda: tuple[Addendum, ...] = ()
    institution: str = ""


def _t(zh: str, en: str) -> Text:
    return Text(zh=zh, en=en)


WORDS: dict[str, Text] = {
    "title": _t("影像诊断报告", "Diagnostic imaging report"),
    "name": _t("姓名", "Name"),
    "patient-id": _t("患者编号", "Patient ID"),
    "sex": _t("性别", "Sex"),
    "birth-date": _t("出生日期", "Date of birth"),
    "accession": _t("检查号", "Accession"),
    "study-date": _t("检查日期", "Study date"),
    "study": _t("检查", "Study"),
    "modality": _t("设备类型", "Modality"),
    "polarity": _t("阴阳性", "Result"),
    "positive": _t("阳性", "positive"),
    "negative": _t("阴性", "negative"),
    "critical": _t("危急值，已立即告知临床", "Critical value, told to the clinic at once"),
    "clinical": _t("临床信息", "Clinical information"),
    "technique": _t("检查方法", "Technique"),
    "comparison": _t("对比检查", "Comparison"),
    "findings": _t("影像表现", "Findings"),
    "impression": _t("诊断结果", "Impression"),
    "recommendation": _t("随访建议", "Recommendation"),
    "addendum": _t("补充报告", "Addendum"),
    "author": _t("报告医生", "Reported by"),
    "reviewer": _t("审核医生", "Reviewed by"),
    "signed": _t("签名时间", "Signed at"),
    "version": _t("版本", "Version"),
    "amended": _t("本版取代之前的版本", "This version supersedes the earlier one"),
    "signature": _t("签名摘要 SHA-256", "Signature digest SHA-256"),
    "banner": _t("已审核签名", "Reviewed and signed"),
    "M": _t("男", "male"),
    "F": _t("女", "female"),
    "O": _t("其他", "other"),
}
SECTIONS = ("clinical", "technique", "comparison", "findings", "impression", "recommendation")


def word(key: str, language: str) -> str:
    """Return a fixed word of the report in its language."""
    text = WORDS[key]
    return text.zh if language == "zh" else text.en


def sections(report: SignedReport) -> list[tuple[str, str]]:
    """Return (key of the section, text) of the sections that have one."""
    return [(key, text) for key in SECTIONS if (text := getattr(report, key).strip())]


def shown_name(dicom_name: str) -> str:
    """Return a DICOM person name for people: the ideographic group if there is one."""
    groups = [[part for part in group.split("^") if part] for group in dicom_name.split("=")]
    chosen = next((g for g in groups[1:2] if g), groups[0])
    chinese = any(ord(char) >= 0x2E80 for part in chosen for char in part)
    return ("" if chinese else " ").join(chosen)


def render_signed_pdf(report: SignedReport) -> bytes:
    """Return the report as PDF bytes, A4; equal input gives equal bytes."""
    look.characters()
    say = _Say(report.language)
    story: list[Flowable] = []
    if report.institution:
        story.append(para(report.institution, 11.5, after=3, limit=200, bold=True))
    story.append(para(say("title"), 16, color=look.BRAND, after=5, bold=True))
    if report.version > 1:
        text = f"{say('version')} {report.version} · {say('amended')}"
        story += box([para(text, 9, color=look.AMBER)], failed=False)
    if report.critical:
        story += box([para(say("critical"), 10, color=look.RED, bold=True)], failed=True)
    story += fact_table(_facts(report, say))
    for key, text in sections(report):
        story += [*heading(say(key)), *_paragraphs(text)]
    for addendum in report.addenda:
        head = f"{say('addendum')} {addendum.number}"
        signed = f"{addendum.author_name} · {_clock(addendum.signed_at)} · {addendum.sha256}"
        story += [*heading(head), *_paragraphs(addendum.text)]
        story.append(para(signed, 7.4, color=look.GREY, limit=300))
    story += [Spacer(1, 10), *fact_table(_signature(report, say))]
    name = shown_name(report.patient_name)
    return build(
        story,
        title=f"{say('title')} {report.report_id}",
        banner=say("banner"),
        running=f"{name} · {report.patient_id} · {_day(report.study_date)}",
        foot=f"{say('signature')} {report.sha256[:32]}…",
        result_id=f"{report.report_id} · {say('version')} {report.version}.{report.number}",
        verified=True,
    )


class _Say:
    def __init__(self, language: str) -> None:
        self._language = language

    def __call__(self, key: str) -> str:
        """Return the word in the report's language."""
        return word(key, self._language)


def _facts(report: SignedReport, say: _Say) -> list[Fact]:
    sex = say(report.patient_sex) if report.patient_sex in ("M", "F", "O") else ""
    pairs = (
        ("name", shown_name(report.patient_name)),
        ("patient-id", report.patient_id),
        ("sex", sex),
        ("birth-date", _day(report.patient_birth_date)),
        ("accession", report.accession_number),
        ("study-date", _day(report.study_date)),
        ("study", report.study_description),
        ("modality", ", ".join(report.modalities)),
        ("polarity", say(report.polarity) if report.polarity else ""),
    )
    return [Fact(say(key), value) for key, value in pairs if value]


def _signature(report: SignedReport, say: _Say) -> list[Fact]:
    pairs = (
        ("author", report.author_name),
        ("reviewer", report.reviewer_name),
        ("signed", _clock(report.signed_at)),
        ("version", str(report.version)),
    )
    facts = [Fact(say(key), value) for key, value in pairs]
    return [*facts, Fact(say("signature"), report.sha256, wide=True)]


def _paragraphs(text: str) -> list[Flowable]:
    found: list[Flowable] = []
    for line in text.splitlines():
        for start in range(0, max(1, len(line)), _PARAGRAPH):
            found.append(para(line[start : start + _PARAGRAPH], 10, after=2))
    return found


def _day(dicom: str) -> str:
    return f"{dicom[:4]}-{dicom[4:6]}-{dicom[6:]}" if len(dicom) == 8 else dicom


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
