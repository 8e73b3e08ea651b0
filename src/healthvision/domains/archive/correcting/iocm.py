# SPDX-License-Identifier: Apache-2.0
"""Following rejection notes that senders store (IHE RAD TF-2, RAD-66, Image Manager).

A note is followed once, by a job after its rows are committed. What it names that comes in later
is taken out of sight when it comes, as part of the same correction. What a person decided about a
note (declined it, took its rejection back) stays: neither the note nor later objects change it.
``HV_ARCHIVE_IOCM`` says whether a note is applied or held for a person. One that a person's own
account brought in is always held: who may reject has a call for it. See docs/corrections.md.
"""

from healthvision.domains.archive.correcting import rejection_notes
from healthvision.domains.archive.correcting.corrections_making import (
    keep,
    new_correction,
    refresh_and_tell,
)
from healthvision.domains.archive.correcting.corrections_rejecting import must_stay, recount
from healthvision.domains.archive.correcting.rejection_notes import TITLES, Note
from healthvision.domains.archive.events import KeyObjectsFollowed, StudyRejectionAsked
from healthvision.domains.archive.records import corrections_rows
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.archive.tables import CorrectionRow, Study
from healthvision.kernel.db import Session
from healthvision.kernel.events import publish
from healthvision.kernel.security import Actor


async def on_key_objects(session: Session, actor: Actor, event: KeyObjectsFollowed) -> None:
    """Follow the rejection notes of a study. Safe to run twice.

    Raises StorageDamaged: a note that cannot be read is tried again.
    """
    mine = Study.id == event.subject
    for study in await corrections_rows.lock_studies(session, actor.org_id, mine):
        notes = await rejection_notes.notes_of(session, actor.org_id, study.id)
        for note in notes:
            await _follow(session, actor, study, note, new=event.note == note.instance_id)


async def _follow(session: Session, actor: Actor, study: Study, note: Note, *, new: bool) -> None:
    made = await corrections_rows.rejections(session, actor.org_id, study.id)
    mine = [row for row in made if row.after.get("note_uid") == note.sop_uid]
    same = [row for row in mine if row.after.get("note") == str(note.instance_id)]
    rejected = [row for row in same if row.kind == "reject"]
    if rejected:
        await _apply_again(session, actor, study, note, rejected[-1])
    elif new and not same:
        # mine: another document had its UID, and somebody decided about that one
        held = bool(mine) or _is_for_a_person(actor) or must_stay(study, note.code)
        await (_hold if held else _apply)(session, actor, study, note)


def _is_for_a_person(sender: Actor) -> bool:
    by_person = (sender.on_behalf_of or "").startswith("user:")
    return by_person or ArchiveSettings.current().iocm == "hold"


async def _apply(session: Session, actor: Actor, study: Study, note: Note) -> None:
    row = _new(actor, study, note)
    session.add(row)
    await session.flush()
    await _hide(session, actor, study, note, row)


async def _apply_again(
    session: Session, actor: Actor, study: Study, note: Note, row: CorrectionRow
) -> None:
    """Hide what the note names and what came in since, unless somebody took the rejection back."""
    if row.undone_at is None and not must_stay(study, row.code):
        await _hide(session, actor, study, note, row)


async def _hide(
    session: Session, actor: Actor, study: Study, note: Note, row: CorrectionRow
) -> None:
    known = "objects" in row.after
    count = await rejection_notes.hide(session, actor.org_id, study.id, row, note)
    if known and not count:
        return
    await keep(session, actor, row)
    await recount(session, actor, study)
    await refresh_and_tell(session, actor, row, [study])


async def _hold(session: Session, actor: Actor, study: Study, note: Note) -> None:
    row = _new(actor, study, note)
    row.kind, row.after = "reject_asked", {**row.after, **rejection_notes.about(note)}
    await keep(session, actor, row)
    asked = StudyRejectionAsked(org_id=actor.org_id, subject=study.id, correction_id=row.id)
    await publish(session, actor, asked)


def _new(actor: Actor, study: Study, note: Note) -> CorrectionRow:
    title = TITLES[note.code]
    row = new_correction(
        actor,
        "reject",
        f"rejection note of the sender (DCM {title})",
        before={},
        after={"title": title},
        study_id=study.id,
        patient_ref=study.patient_ref,
        code=note.code,
    )
    row.made_by = actor.on_behalf_of or row.made_by
    return row
