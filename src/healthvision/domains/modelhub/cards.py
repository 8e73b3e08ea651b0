# SPDX-License-Identifier: Apache-2.0
"""The model card, made from the manifest and its evidence records; nothing is written by hand."""

from html import escape

from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.ports import EvidenceRecord, Manifest

_WORDS: dict[str, Text] = {
    "what": Text(zh="用途说明", en="What it does"),
    "use": Text(zh="预期用途", en="Intended use"),
    "limits": Text(zh="局限性", en="Limitations"),
    "evidence": Text(zh="证据", en="Evidence"),
    "level": Text(zh="证据等级", en="Evidence level"),
    "accepts": Text(zh="适用影像", en="Images it accepts"),
    "weights": Text(zh="权重与许可", en="Weights and licences"),
    "none": Text(zh="无。", en="None."),
    "budget": Text(zh="资源上限", en="Resource limits"),
    "licence": Text(zh="许可", en="Licence"),
    "commercial": Text(zh="允许商业使用", en="commercial use allowed"),
    "noncommercial": Text(zh="不允许商业使用", en="no commercial use"),
    "disclaimer": Text(
        zh="辅助决策软件，不是医疗器械。所有结果均为 AI 结果，未经医生确认。",
        en="Decision support, not a medical device. Every result is AI, unverified.",
    ),
}
_LEVELS: dict[EvidenceLevel, Text] = {
    EvidenceLevel.NONE: Text(
        zh="此模型由用户添加，未在此测量", en="brought by the user, nothing measured here"
    ),
    EvidenceLevel.E0: Text(zh="公式经公开算例核对", en="formula verified on published vectors"),
    EvidenceLevel.E1: Text(zh="在已知真值的体模上测量", en="measured on phantoms of known truth"),
    EvidenceLevel.E2: Text(zh="在公开病例上测量", en="measured on public cases with interval"),
    EvidenceLevel.E3: Text(zh="经外部机构验证", en="validated at an external site"),
}
_COLUMNS = {
    "zh": ("指标", "数值", "区间", "n", "数据", "等级"),
    "en": ("Metric", "Value", "Interval", "n", "Data", "Level"),
}


def _say(text: Text, language: str) -> str:
    return text.zh if language == "zh" else text.en


def _row(record: EvidenceRecord) -> tuple[str, ...]:
    interval = "-"
    if record.low is not None and record.high is not None:
        interval = f"{record.low:.4g} - {record.high:.4g}"
    value = f"{record.value:.4g}"
    return record.metric, value, interval, str(record.n), record.data, record.level.value


def _weights(manifest: Manifest, language: str) -> list[str]:
    lines = []
    for item in manifest.weights:
        use = _WORDS["commercial" if item.commercial_use else "noncommercial"]
        lines.append(f"{item.sha256[:16]}… {item.licence}, {_say(use, language)}")
    return lines or [_say(_WORDS["none"], language)]


def _sections(manifest: Manifest, language: str) -> list[tuple[str, list[str]]]:
    budget = manifest.budget
    level = manifest.evidence_level
    cost = f"{budget.memory_mb} MB, {budget.cpu_seconds} s CPU, {budget.wall_seconds} s"
    return [
        (_say(_WORDS["what"], language), [_say(manifest.description, language)]),
        (_say(_WORDS["use"], language), [_say(manifest.intended_use, language)]),
        (
            _say(_WORDS["limits"], language),
            [_say(text, language) for text in manifest.limitations]
            or [_say(_WORDS["none"], language)],
        ),
        (_say(_WORDS["level"], language), [f"{level.value}: {_say(_LEVELS[level], language)}"]),
        (_say(_WORDS["accepts"], language), [manifest.accepts]),
        (_say(_WORDS["licence"], language), [manifest.licence]),
        (_say(_WORDS["weights"], language), _weights(manifest, language)),
        (_say(_WORDS["budget"], language), [cost]),
    ]


def card_markdown(manifest: Manifest, language: str) -> str:
    """Return the card as Markdown; ``language``: 'zh' or 'en'."""
    lines = [f"# {_say(manifest.title, language)} ({manifest.id} {manifest.version})", ""]
    lines += [f"> {_say(_WORDS['disclaimer'], language)}", ""]
    for title, texts in _sections(manifest, language):
        lines += [f"## {title}", "", *[f"- {text}" for text in texts], ""]
    head = _COLUMNS[language]
    lines += [f"## {_say(_WORDS['evidence'], language)}", "", f"| {' | '.join(head)} |"]
    lines += [f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(_row(record))} |" for record in manifest.evidence]
    return "\n".join(lines) + "\n"


def card_html(manifest: Manifest, language: str) -> str:
    """Return the card as one HTML page without scripts; every text is escaped."""
    title = escape(f"{_say(manifest.title, language)} ({manifest.id} {manifest.version})")
    parts = [f"<h1>{title}</h1>", f"<p><b>{escape(_say(_WORDS['disclaimer'], language))}</b></p>"]
    for name, texts in _sections(manifest, language):
        items = "".join(f"<li>{escape(text)}</li>" for text in texts)
        parts.append(f"<h2>{escape(name)}</h2><ul>{items}</ul>")
    head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS[language])
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _row(record)) + "</tr>"
        for record in manifest.evidence
    )
    parts.append(f"<h2>{escape(_say(_WORDS['evidence'], language))}</h2>")
    parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    code = "zh-CN" if language == "zh" else "en"
    style = (
        "body{font-family:sans-serif;max-width:60rem;margin:2rem auto}td,th{padding:.2rem .6rem}"
    )
    return (
        f'<!doctype html><html lang="{code}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body>{''.join(parts)}</body></html>"
    )
