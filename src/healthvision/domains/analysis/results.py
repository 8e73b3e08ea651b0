# SPDX-License-Identifier: Apache-2.0
"""Finding, reading, comparing and judging results."""

from collections.abc import Sequence
from uuid import UUID

from healthvision.clinical.result import Finding, Result, VerificationState
from healthvision.domains.analysis import repository
from healthvision.domains.analysis.errors import NotComparable, ResultNotFound
from healthvision.domains.analysis.events import VerificationChanged
from healthvision.domains.analysis.schemas import (
    Comparison,
    FindingChange,
    MeasurementChange,
    OutputRead,
    ResultItem,
    ResultQuery,
    ResultRead,
)
from healthvision.domains.analysis.tables import OutputRow, ResultRow
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.paging import BadCursor, decode_cursor, encode_cursor
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

_PARTS = ("code", "location", "measurements", "attributes", "categories", "confidence")


async def search(session: Session, actor: Actor, query: ResultQuery) -> Page[ResultItem]:
    """Return one page of results in spaces the actor may read, newest first; SpaceNotFound."""
    if query.space is not None:
        places = [(await spaces.get(session, actor, query.space)).id]
    else:
        places = [s.id for s in await spaces.visible(session, actor)]
    cursor = None if query.cursor is None else decode_cursor(query.cursor, 2)
    try:
        rows = await repository.search_results(session, actor.org_id, places, query, cursor)
    except ValueError:
        raise BadCursor("the cursor was not made by this list") from None
    shown = rows[: query.limit]
    more = None
    if len(rows) > query.limit:
        more = encode_cursor([shown[-1].created_at.isoformat(), str(shown[-1].id)])
    items = [ResultItem.model_validate(row) for row in shown]
    return Page[ResultItem](items=items, next=more, total=None)


async def own_row(session: Session, actor: Actor, result_id: UUID) -> ResultRow:
    """Return a result of a study the actor may read; raises ResultNotFound."""
    row = await repository.find_result(session, actor.org_id, result_id)
    if row is None:
        raise ResultNotFound("there is no such result")
    try:
        await archive.get_study(session, actor, row.study_id)
    except StudyNotFound:
        raise ResultNotFound("there is no such result") from None
    return row


async def get_result(session: Session, actor: Actor, result_id: UUID) -> ResultRead:
    """Return a full result; raises ResultNotFound."""
    row = await own_row(session, actor, result_id)
    outputs = await repository.outputs_of(session, row.id)
    return ResultRead(
        item=ResultItem.model_validate(row),
        result=document(row),
        outputs=[output_read(o) for o in outputs],
    )


def document(row: ResultRow) -> Result:
    """Return the stored result as it is now: with its verdict and its successor."""
    return Result.model_validate(row.document)


def output_read(row: OutputRow) -> OutputRead:
    """Return an output as callers get it."""
    return OutputRead.model_validate(row)


async def results_of_study(
    session: Session, actor: Actor, study_id: UUID, *, current: bool = True
) -> list[ResultRead]:
    """Return the results of a study, newest first; raises StudyNotFound."""
    study = await archive.get_study(session, actor, study_id)
    query = ResultQuery(study=study.id, current=current, limit=200)
    places = [s.id for s in await spaces.visible(session, actor)]
    rows = await repository.search_results(session, actor.org_id, places, query, None)
    return [await get_result(session, actor, row.id) for row in rows[:200]]


async def set_verification(
    session: Session, actor: Actor, result_id: UUID, state: VerificationState
) -> ResultItem:
    """Put a doctor's judgement on a result (called by the reading room); ResultNotFound."""
    row = await own_row(session, actor, result_id)
    before = row.verification
    if before == state.value:
        return ResultItem.model_validate(row)
    row.verification = state.value
    row.document = {**row.document, "verification": state.value}
    await session.flush()
    event = VerificationChanged(
        org_id=row.org_id, subject=row.id, study_id=row.study_id, verification=state.value
    )
    await publish(session, actor, event)
    await audit.record(
        session,
        actor,
        "analysis.result_verified",
        row.id,
        kind="result",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        before={"verification": before},
        after={"verification": state.value},
    )
    return ResultItem.model_validate(row)


async def compare(session: Session, actor: Actor, first: UUID, second: UUID) -> Comparison:
    """Return two results of one study and application side by side, the older version first.

    Raises ResultNotFound, NotComparable.
    """
    rows = [await own_row(session, actor, first), await own_row(session, actor, second)]
    rows.sort(key=lambda row: row.version)
    before, after = rows
    if (before.study_id, before.application_id) != (after.study_id, after.application_id):
        raise NotComparable("the results are of different studies or applications")
    old, new = document(before), document(after)
    return Comparison(
        before=ResultItem.model_validate(before),
        after=ResultItem.model_validate(after),
        same_inputs=old.inputs == new.inputs,
        same_application=(old.application.version, old.application.weights_sha256)
        == (new.application.version, new.application.weights_sha256),
        same_environment=old.application.environment_sha256 == new.application.environment_sha256,
        findings=_findings(old.findings, new.findings),
        measurements=_measurements(old, new),
    )


def _findings(old: Sequence[Finding], new: Sequence[Finding]) -> list[FindingChange]:
    later = {finding.tracking_uid: finding for finding in new}
    out: list[FindingChange] = []
    for finding in old:
        match = later.pop(finding.tracking_uid, None)
        if match is None:
            out.append(_change("removed", finding, None, []))
            continue
        differing = [p for p in _PARTS if getattr(finding, p) != getattr(match, p)]
        out.append(_change("changed" if differing else "same", finding, match, differing))
    return out + [_change("added", None, finding, []) for finding in later.values()]


def _change(
    kind: str, before: Finding | None, after: Finding | None, differences: list[str]
) -> FindingChange:
    one = after or before
    assert one is not None
    values = {"change": kind, "before": before, "after": after, "differences": differences}
    return FindingChange.model_validate({**values, "label": one.label})


def _measurements(old: Result, new: Result) -> list[MeasurementChange]:
    def key(code: str, unit: str, label: str) -> tuple[str, str, str]:
        return code, unit, label

    before = {key(m.code.value, m.unit, m.label.en): m for m in old.measurements}
    after = {key(m.code.value, m.unit, m.label.en): m for m in new.measurements}
    out: list[MeasurementChange] = []
    for name in dict.fromkeys([*before, *after]):
        one = after.get(name) or before[name]
        out.append(
            MeasurementChange(
                label=one.label,
                unit=one.unit,
                before=before[name].value if name in before else None,
                after=after[name].value if name in after else None,
            )
        )
    return out
