# SPDX-License-Identifier: Apache-2.0
"""What the demo prints."""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from healthvision.app.demo.visit import Visit
from healthvision.app.language import either, say
from healthvision.client import Client
from healthvision.client.models import AuditEvent, Category, Finding, Result
from healthvision.clinical.phantoms.nodules import NoduleTruth
from healthvision.clinical.result import Text
from healthvision.domains.audit.service import act
from healthvision.formats.reports.words import GUIDELINES, category_words

HIT_MM = 2.0
EMPHYSEMA = "emphysema"
_KINDS = {
    "user": Text(zh="用户", en="person"),
    "service": Text(zh="程序", en="program"),
    "device": Text(zh="设备", en="device"),
}
_OUTCOMES = {
    "success": Text(zh="成功", en="success"),
    "refused": Text(zh="拒绝", en="refused"),
    "failed": Text(zh="失败", en="failed"),
}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: '1 file', '2 files', '2 studies'."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("dy") else f"{number} {noun}s"


class Progress(Protocol):
    """Called with bytes done and bytes in all."""

    def __call__(self, done: int, total: int) -> None:
        """Take note."""
        ...


def _size(finding: Finding) -> str:
    for measurement in finding.measurements:
        if measurement.unit == "mm":
            return f"{measurement.value:.1f} mm"
    return "-"


def _true(finding: Finding, visit: Visit) -> NoduleTruth | None:
    truth = visit.case.truth
    where = finding.location.get("position_lps_mm")
    if truth is None or where is None:
        return None
    near = [(math.dist(n.centre, where), n) for n in truth.nodules]
    hits = [(d, n) for d, n in near if d <= max(HIT_MM, n.mean_diameter_mm / 2)]
    return min(hits, key=lambda h: h[0])[1] if hits else None


def _name(finding: Finding) -> str:
    """Return the finding in short: kind, side and zone without the size."""
    region = (finding.location.get("region") or {}).get("en", "")
    kind = finding.label.en.split(",")[0]
    kind = " ".join(w for w in kind.split() if w != "mm" and not w.replace(".", "").isdigit())
    return f"{kind}, {region.split(' (')[0]}" if region else kind


def _confidence(finding: Finding) -> str:
    value = finding.confidence.value
    return "none given" if value is None else f"{value:.2f}"


def _row(visit: Visit, result: Result, finding: Finding) -> list[str]:
    if finding.tracking_id.startswith(EMPHYSEMA):
        return _emphysema(visit, finding)
    truth = _true(finding, visit)
    if visit.case.truth is None:
        true_size = ""
    else:
        true_size = f"{truth.mean_diameter_mm:.1f} mm {truth.kind}" if truth else "not in the truth"
    categories = ", ".join(_category(c) for c in finding.categories) or "-"
    return [_name(finding), _size(finding), true_size, categories, _confidence(finding)]


def _category(category: Category) -> str:
    """Return a category as a person reads it, in words of both languages where it is a code."""
    words = category_words(category.value)
    both = words.en if words.en == words.zh else f"{words.en} / {words.zh}"
    return f"{GUIDELINES.get(category.guideline, category.guideline)} {both}"


def _emphysema(visit: Visit, finding: Finding) -> list[str]:
    """Return the row of the share of emphysema with the phantom's own share."""
    share = next((m for m in finding.measurements if m.unit == "%"), None)
    size = "-" if share is None else f"{share.value:.1f} % of the lungs"
    truth = visit.case.truth
    true_share = "" if truth is None else f"{truth.emphysema_percent:.1f} % of the lungs"
    return [_name(finding), size, true_share, "-", _confidence(finding)]


def _seconds(visit: Visit, result: Result) -> str:
    extra = result.model_extra or {}
    timings = extra.get("timings") or {}
    stages = timings.get("stages_s") or {}
    return f"{sum(stages.values()):.1f}" if stages else "-"


def _rows(visit: Visit) -> Iterator[list[str]]:
    head = [visit.case.label, visit.case.door]
    if not visit.results:
        note = "; ".join(visit.failures) or "stored as DICOM; no application fits"
        yield [*head, note, "", "", "", "", f"{visit.brought_s:.1f}"]
    for result in visit.results:
        yield from _result_rows(visit, result, head)
    if visit.skipped:
        skipped = f"{counted(visit.skipped, 'file')} skipped: no images"
        yield ["", "", skipped, *[""] * 5]


def _result_rows(visit: Visit, result: Result, head: list[str]) -> Iterator[list[str]]:
    seconds = _seconds(visit, result)
    if result.status == "abstained" and result.abstained_reason is not None:
        yield [*head, f"abstained: {result.abstained_reason.en}", *[""] * 4, seconds]
        return
    if not result.findings:
        yield [*head, _nothing(result), "", "", "", "", seconds]
    for finding in result.findings:
        yield [*head, *_row(visit, result, finding), seconds]
        head, seconds = ["", ""], ""
    for missed in _missed(visit, result):
        yield ["", "", "[yellow]not found[/]", "", missed, "", "", ""]


def _nothing(result: Result) -> str:
    """Return what a result without findings says, by its application."""
    application = (result.model_extra or {}).get("application") or {}
    return "no nodule found" if application.get("id") in (None, "lung-ct") else "nothing marked"


def print_findings(console: Console, visits: list[Visit]) -> None:
    """Print the table: study, door, finding, size, true size, category, confidence, seconds."""
    head = ["study", "door", "finding", "size", "true size", "category", "confidence", "seconds"]
    known = any(visit.case.truth is not None for visit in visits)
    shown = [name for name in head if known or name != "true size"]
    table = Table(*shown)
    for visit in visits:
        for row in _rows(visit):
            table.add_row(*(cell for name, cell in zip(head, row, strict=True) if name in shown))
    console.print(table)
    for visit in visits:
        for result in visit.results:
            if result.abstained_reason is None:  # else the table says why, and the summary too
                console.print(f"{visit.case.label}: {result.summary.en}")
                console.print(f"{visit.case.label}: {result.summary.zh}")
            else:
                console.print(f"{visit.case.label}: 不予判断：{result.abstained_reason.zh}")


def _missed(visit: Visit, result: Result) -> list[str]:
    if visit.case.truth is None:
        return []
    found = {id(_true(f, visit)) for f in result.findings}
    return [
        f"{n.mean_diameter_mm:.1f} mm {n.kind}"
        for n in visit.case.truth.nodules
        if id(n) not in found
    ]


def save_reports(client: Client, visits: list[Visit], folder: Path) -> list[Path]:
    """Write the PDF of each result, so that it can be read when the server has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for visit in visits:
        for number, result in enumerate(visit.results, 1):
            name = re.sub(r"[^a-z0-9]+", "-", visit.case.label.lower()).strip("-")
            path = folder / f"{name}-{number}.pdf"
            client.export_result(result.id, path)
            written.append(path)
    return written


def print_links(console: Console, url: str, visits: list[Visit]) -> None:
    """Print where report, results and API docs are, for a demo that keeps serving."""
    console.print(f"API docs:  {url}/docs")
    console.print(f"Results:   {url}/v1/results")
    for visit in visits:
        for result in visit.results:
            path = f"{url}/v1/results/{result.id}/export?format=pdf"
            console.print(f"Report:    {path}  ({visit.case.label})", soft_wrap=True)


def print_access(
    console: Console, admin: Client, visits: list[Visit], people: Mapping[str, str]
) -> None:
    """Print who saw the first study; ``people``: names by id."""
    studies = [s for v in visits for s in v.study_ids]
    if not studies:
        return
    events = admin.audit_events(subject=str(studies[0]), limit=20).items
    head = (either("时间", "when"), either("谁", "who"), either("做了什么", "did what"))
    title = either(f"谁看过检查“{visits[0].case.label}”", f"Who saw study '{visits[0].case.label}'")
    table = Table(*head, either("结果", "outcome"), title=title)
    shown = [(_who(e, people), say(act(e.action)), _outcome(e.outcome)) for e in events]
    for (who, did, outcome), run in groupby(zip(shown, events, strict=True), itemgetter(0)):
        same = [event for _, event in run]
        times = f"{did} x {len(same)}" if len(same) > 1 else did
        table.add_row(same[0].at.strftime("%H:%M:%S"), who, times, outcome)
    console.print(table)


def _who(event: AuditEvent, people: Mapping[str, str]) -> str:
    """Return a person's name, also behind an API key, else what kind of actor it was."""
    known = people.get(str(event.user_id)) or people.get(event.actor_id)
    if known is not None:
        return known
    if event.actor_kind == "system":
        return either("系统自身", "HealthVision itself")
    kind = _KINDS.get(event.actor_kind)
    return f"{event.actor_kind if kind is None else say(kind)} {event.actor_id}"


def _outcome(outcome: str) -> str:
    words = _OUTCOMES.get(outcome)
    return outcome if words is None else say(words)


def print_audit(console: Console, admin: Client) -> list[str]:
    """Print what the check of the tamper-evident log says; returns what is wrong with it."""
    report = admin.verify_audit()
    state = "untouched" if report.ok else "[red]TOUCHED[/]"
    counts = ""  # known to administrators of the installation only
    if report.sealed is not None:
        counts = f", {report.sealed} acts sealed, {report.unsealed} waiting"
    console.print(f"audit verify: {state}{counts}")
    return [] if report.ok else ["audit verify: the log was touched"]
