# SPDX-License-Identifier: Apache-2.0
"""Reports: drafted by one doctor, reviewed by a second, signed, amended, added to.

``draft -> submitted -> final``; a review may give it back; ``final -> amending -> submitted ->
final`` makes the next version. What was signed is never changed.
"""

from typing import Any
from uuid import UUID

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.audit import service as audit
from healthvision.domains.reading import prefill, projecting, report_rows
from healthvision.domains.reading.errors import (
    NotTheAuthor,
    ReportIncomplete,
    ReportNotFound,
    ReportState,
)
from healthvision.domains.reading.events import ReportSubmitted
from healthvision.domains.reading.persons import name_of, need_person, person_of
from healthvision.domains.reading.report_schemas import (
    Printed,
    ReportContent,
    ReportCreate,
    ReportItem,
    ReportQuery,
    ReportRead,
    ReportVersionRead,
)
from healthvision.domains.reading.tables import ReportRow
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor

OPEN = ("draft", "amending")


async def create(session: Session, actor: Actor, new: ReportCreate) -> tuple[ReportRead, bool]:
    """Return the report of a study and whether it is new; raises StudyNotFound."""
    person = need_person(actor)
    study = await archive.get_study(session, actor, new.study_id)
    there = await report_rows.of_study(session, actor.org_id, study.id)
    if there is not None:
        return await read_of(session, actor, there), False
    content = ReportContent(language=new.language)
    if new.prefill:
        content = await prefill.prefilled(session, actor, study.id, new.language)
    row = ReportRow(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        study_id=study.id,
        study_uid=study.study_uid,
        space_id=study.spaces[0].space_id,
        patient_ref=study.patient_ref,
        state="draft",
        revision=1,
        version=0,
        content=content.model_dump(mode="json"),
        author=person,
        author_name=await name_of(session, actor),
        reviewer="",
        reviewer_name="",
        review_comment="",
        updated_at=now(),
        submitted_at=None,
        signed_at=None,
        print_count=0,
    )
    if not await report_rows.insert(session, row):
        there = await report_rows.of_study(session, actor.org_id, study.id)
        assert there is not None
        return await read_of(session, actor, there), False
    await changed(session, actor, row, "reading.report_created")
    return await read_of(session, actor, row), True


async def own(session: Session, actor: Actor, report_id: UUID, *, lock: bool = False) -> ReportRow:
    """Return a report of a study the actor may read; raises ReportNotFound."""
    row = await report_rows.find(session, actor.org_id, report_id, lock=lock)
    if row is None:
        raise ReportNotFound("there is no such report")
    try:
        await archive.get_study(session, actor, row.study_id)
    except StudyNotFound:
        raise ReportNotFound("there is no such report") from None
    return row


async def get(session: Session, actor: Actor, report_id: UUID) -> ReportRead:
    """Return a report with its signed versions; raises ReportNotFound."""
    return await read_of(session, actor, await own(session, actor, report_id))


async def of_study(session: Session, actor: Actor, study_id: UUID) -> ReportRead:
    """Return the report of a study; raises StudyNotFound, ReportNotFound."""
    study = await archive.get_study(session, actor, study_id)
    row = await report_rows.of_study(session, actor.org_id, study.id)
    if row is None:
        raise ReportNotFound("the study has no report")
    return await read_of(session, actor, row)


async def search(session: Session, actor: Actor, query: ReportQuery) -> Page[ReportItem]:
    """Return one page of reports in spaces the actor may read, newest first."""
    places: list[UUID] | None = [s.id for s in await spaces.visible(session, actor)]
    if query.study is not None:
        try:
            await archive.get_study(session, actor, query.study)
        except StudyNotFound:
            return Page[ReportItem](items=[], next=None, total=None)
        places = None  # the study is seen, in whichever of its spaces the report was begun
    rows = await report_rows.search(
        session,
        actor.org_id,
        places,
        query,
        person=person_of(actor),
        before=cursor_id(query.cursor),
    )
    items = [ReportItem.model_validate(row) for row in rows[: query.limit]]
    return Page[ReportItem](items=items, next=next_id(rows, query.limit), total=None)


async def save_draft(
    session: Session, actor: Actor, report_id: UUID, content: ReportContent
) -> ReportRead:
    """Keep the working copy; ReportNotFound, NotTheAuthor, ReportState. Saved often: no event."""
    row = await authored(session, actor, report_id, OPEN)
    text = content.model_dump(mode="json")
    if text != row.content:
        row.content, row.updated_at = text, now()
        row.revision += 1
        await session.flush()
        await record(session, actor, "reading.report_saved", row)
    return await read_of(session, actor, row)


async def authored(
    session: Session, actor: Actor, report_id: UUID, states: tuple[str, ...]
) -> ReportRow:
    """Return the actor's own report, locked, when it is in one of the states.

    Raises ReportNotFound, NotTheAuthor, ReportState.
    """
    person = need_person(actor)
    row = await own(session, actor, report_id, lock=True)
    if row.author != person:
        raise NotTheAuthor("another doctor writes this report; take it over to go on with it")
    need_state(row, states)
    return row


def need_state(row: ReportRow, states: tuple[str, ...]) -> None:
    """Raise ReportState unless the report is in one of the states."""
    if row.state not in states:
        raise ReportState(f"the report is {row.state}", state=row.state)


async def submit(session: Session, actor: Actor, report_id: UUID) -> ReportRead:
    """Give the draft to the second doctor; ReportIncomplete names what is missing."""
    row = await authored(session, actor, report_id, OPEN)
    _complete(ReportContent.model_validate(row.content))
    row.state, row.submitted_at, row.review_comment = "submitted", now(), ""
    await changed(session, actor, row, "reading.report_submitted")
    event = ReportSubmitted(
        org_id=row.org_id, subject=row.id, study_id=row.study_id, space_id=row.space_id
    )
    await publish(session, actor, event)
    return await read_of(session, actor, row)


def _complete(content: ReportContent) -> None:
    for field in ("findings", "impression"):
        if not getattr(content, field).strip():
            raise ReportIncomplete(f"{field}: a submitted report says something here", field=field)
    if content.polarity is None:
        raise ReportIncomplete("polarity: say positive or negative", field="polarity")


async def recall(session: Session, actor: Actor, report_id: UUID) -> ReportRead:
    """Take a submitted report back to go on writing; only its author."""
    row = await authored(session, actor, report_id, ("submitted",))
    row.state, row.submitted_at = _working(row), None
    await changed(session, actor, row, "reading.report_recalled")
    return await read_of(session, actor, row)


def _working(row: ReportRow) -> str:
    return "amending" if row.version else "draft"


async def take_over(session: Session, actor: Actor, report_id: UUID) -> ReportRead:
    """Become the author of somebody else's draft; the log keeps who wrote before."""
    person = need_person(actor)
    row = await own(session, actor, report_id, lock=True)
    need_state(row, OPEN)
    if row.author != person:
        before = {"author": row.author}
        row.author, row.author_name = person, await name_of(session, actor)
        await changed(session, actor, row, "reading.report_taken_over", before=before)
    return await read_of(session, actor, row)


async def amend(session: Session, actor: Actor, report_id: UUID) -> ReportRead:
    """Begin the next version of a signed report; the signed one holds until the new one is."""
    person = need_person(actor)
    row = await own(session, actor, report_id, lock=True)
    need_state(row, ("final",))
    row.state, row.author = "amending", person
    row.author_name = await name_of(session, actor)
    row.reviewer = row.reviewer_name = row.review_comment = ""
    await changed(session, actor, row, "reading.report_amended")
    return await read_of(session, actor, row)


async def discard(session: Session, actor: Actor, report_id: UUID) -> None:
    """Throw a draft away: the report if it was never signed, else only the amendment."""
    row = await authored(session, actor, report_id, OPEN)
    if row.version == 0:
        study_id = row.study_id
        await record(session, actor, "reading.report_discarded", row)
        await session.delete(row)
        await session.flush()
        await projecting.refresh(session, actor.org_id, study_id)
        return
    signed = await report_rows.versions(session, actor.org_id, row.id)
    last = next(v for v in reversed(signed) if v.kind == "report")
    row.content, row.state = last.content, "final"
    row.author, row.author_name = last.author, last.author_name
    row.reviewer, row.reviewer_name = last.reviewer, last.reviewer_name
    await changed(session, actor, row, "reading.report_discarded")


async def note_print(session: Session, actor: Actor, report_id: UUID) -> Printed:
    """Count one print of a signed report; ReportNotFound, ReportState."""
    row = await own(session, actor, report_id, lock=True)
    if row.version == 0:
        raise ReportState("the report is not signed yet", state=row.state)
    row.print_count += 1
    await session.flush()
    await record(session, actor, "reading.report_printed", row, count=row.print_count)
    return Printed(report_id=row.id, print_count=row.print_count)


async def changed(
    session: Session, actor: Actor, row: ReportRow, action: str, *, before: Any = None
) -> None:
    """Note a new state of a report: its revision, the log and the worklist."""
    row.revision = 1 if action == "reading.report_created" else row.revision + 1
    row.updated_at = now()
    await session.flush()
    await record(session, actor, action, row, before=before)
    await projecting.refresh(session, actor.org_id, row.study_id)


async def record(
    session: Session,
    actor: Actor,
    action: str,
    row: ReportRow,
    *,
    before: Any = None,
    **after: Any,
) -> None:
    """Write an act on a report into the log: ids and states, never its words."""
    await audit.record(
        session,
        actor,
        action,
        row.id,
        kind="report",
        patient_id=row.patient_ref,
        space_id=row.space_id,
        before=before,
        after={
            "study": str(row.study_id),
            "state": row.state,
            "revision": row.revision,
            "author": row.author,
            **after,
        },
    )


async def read_of(session: Session, actor: Actor, row: ReportRow) -> ReportRead:
    """Return a report as the caller gets it; who does not write reports sees signed text only."""
    signed = await report_rows.versions(session, actor.org_id, row.id)
    content = row.content
    if row.state != "final" and not _may_see_draft(actor, row):
        content = next((v.content for v in reversed(signed) if v.kind == "report"), {})
    named: dict[str, Any] = {
        "content": ReportContent.model_validate(content),
        "mine": row.author == person_of(actor),
        "versions": [ReportVersionRead.model_validate(v) for v in signed],
    }
    plain = {n: getattr(row, n) for n in ReportRead.model_fields if n not in named}
    return ReportRead.model_validate({**plain, **named})


def _may_see_draft(actor: Actor, row: ReportRow) -> bool:
    writes = actor.can("reports:write") or actor.can("reports:review")
    return writes or row.author == person_of(actor)
