# SPDX-License-Identifier: Apache-2.0
"""Rejection notes of senders (IHE IOCM): what they take out of sight, and what they never do."""

import io
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset

from healthvision.domains.archive import service
from healthvision.domains.archive.correcting import iocm, rejection_notes
from healthvision.domains.archive.events import KeyObjectsFollowed
from healthvision.domains.archive.schemas import ArchiveQuery, Received
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceChange, SpaceRead
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.domains.archive.test_corrections import WHY, Desk, of_study
from tests.factories.dicom import ct_series
from tests.factories.notes import EXPIRED, OF_INTEREST, QUALITY, SAFETY, WORKLIST, note_bytes
from tests.support.auth import TableAuthenticator
from tests.support.conformance import complaints
from tests.support.queue import InPlaceQueue

Arrive = Callable[[Sequence[bytes]], Awaitable[list[Received]]]


def as_bytes(document: Dataset) -> bytes:
    """Return a document as a file."""
    out = io.BytesIO()
    document.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.fixture
def desk(client: httpx.AsyncClient, db: Database, actor: Actor, space: SpaceRead) -> Desk:
    """The platform, with a default space."""
    return Desk(client, db, actor)


@pytest.fixture
def scanner(actor: Actor) -> Actor:
    """The scanner that sends."""
    return replace(actor, id="CT1", kind="device", user_id=None)


@pytest.fixture
def arrive(send: Send, scanner: Actor, queue: InPlaceQueue, db: Database) -> Arrive:
    """Send as the scanner and run the jobs that follow."""

    async def arriving(objects: Sequence[bytes]) -> list[Received]:
        answers = await send(objects, "dimse", scanner)
        await queue.drain(db)
        return answers

    return arriving


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are applied at once."""
    monkeypatch.setenv("HV_ARCHIVE_IOCM", "apply")


async def shown(desk: Desk, study_uid: str) -> set[str]:
    """Return the SOP Instance UIDs that QIDO finds in a study."""
    async with desk.db.reading() as session:
        query = ArchiveQuery({"StudyInstanceUID": study_uid})
        page = await service.find_instances(session, desk.actor, "default", query)
    return {item.json["00080018"]["Value"][0] for item in page.items}


async def history(desk: Desk, answer: Received) -> list[dict[str, Any]]:
    """Return the corrections of a study, newest first."""
    found: list[dict[str, Any]] = (await desk.get(f"/studies/{answer.study_id}/history"))["items"]
    return found


@pytest.mark.usefixtures("applied")
class TestApplied:
    async def test_named_objects_go_out_of_sight_and_come_back(
        self, desk: Desk, arrive: Arrive, tmp_path: Path
    ) -> None:
        slices = ct_series(3)
        answers = await arrive(slices)
        uids = [a.sop_uid for a in answers]
        note = note_bytes(slices[:2])
        assert complaints(note, tmp_path) == []
        (kept,) = await arrive([note])
        assert await shown(desk, kept.study_uid) == {uids[2], kept.sop_uid}
        study = await desk.study(kept.study_id)
        assert (study["series_count"], study["instance_count"]) == (2, 2)
        async with desk.db.reading() as session:
            seen = await service.study_instances(session, desk.actor, of_study(kept))
        assert {ref.sop_uid for ref in seen} == {uids[2], kept.sop_uid}  # what analysis gets
        assert len(await desk.objects(kept.study_uid)) == 2  # what retrieval gives
        (made,) = await history(desk, kept)
        assert (made["kind"], made["code"], made["made_by"]) == ("reject", "quality", "device:CT1")
        after = made["after"]
        assert (after["title"], after["note_uid"]) == (QUALITY, kept.sop_uid)
        assert (after["objects"], after["absent"], after["elsewhere"]) == (2, 0, 0)
        original = await desk.client.get(f"/v1/instances/{answers[0].instance_id}/original")
        assert original.content == slices[0]
        await desk.undo(made)
        assert await shown(desk, kept.study_uid) == {*uids, kept.sop_uid}

    async def test_each_title_has_its_code(self, desk: Desk, arrive: Arrive) -> None:
        slices, titles = ct_series(3), (SAFETY, WORKLIST, EXPIRED)
        await arrive(slices)
        notes = [note_bytes([data], title) for data, title in zip(slices, titles, strict=True)]
        kept = await arrive(notes)
        made = (await history(desk, kept[0]))[::-1]
        assert [c["after"]["title"] for c in made] == list(titles)
        assert [rejection_notes.TITLES[c["code"]] for c in made] == list(titles)
        assert await shown(desk, kept[0].study_uid) == {a.sop_uid for a in kept}

    async def test_a_note_is_followed_once_and_a_persons_undo_stays(
        self, desk: Desk, arrive: Arrive, scanner: Actor, space: SpaceRead
    ) -> None:
        slices = ct_series(2)
        note = note_bytes(slices[:1])
        await arrive(slices)
        (kept,) = await arrive([note])
        event = KeyObjectsFollowed(scanner.org_id, of_study(kept), space.id, kept.instance_id)
        system = Actor.system(scanner.org_id, on_behalf_of="device:CT1")
        for lost in (True, False):  # the worker dies before its commit, and it runs once more
            with suppress(RuntimeError):
                async with desk.db.transaction() as session:
                    await iocm.on_key_objects(session, system, event)
                    if lost:
                        raise RuntimeError
        (again,) = await arrive([note])
        assert again.outcome == "duplicate"
        (made,) = await history(desk, again)
        assert made["after"]["objects"] == 1
        await desk.undo(made)
        await arrive([note, *ct_series(1, study_uid=again.study_uid)])
        assert len(await history(desk, again)) == 1
        assert len(await shown(desk, again.study_uid)) == 4

    async def test_another_note_under_its_uid_is_for_a_person(
        self, desk: Desk, arrive: Arrive, space: SpaceRead
    ) -> None:
        slices = ct_series(3)
        note = pydicom.dcmread(io.BytesIO(note_bytes(slices[:1])))
        (kept,) = (await arrive([*slices, as_bytes(note)]))[3:]
        async with desk.db.transaction() as session:
            change = SpaceChange(conflict_policy="keep_last")
            await spaces.change(session, desk.actor, space.id, change)
        more = pydicom.dcmread(io.BytesIO(note_bytes(slices)))
        more.SOPInstanceUID = more.file_meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
        (again,) = await arrive([as_bytes(more)])
        assert again.instance_id != kept.instance_id
        assert [c["kind"] for c in await history(desk, kept)] == ["reject_asked", "reject"]
        assert len(await shown(desk, kept.study_uid)) == 3

    async def test_rows_made_anew_from_the_objects_follow_no_note(
        self, desk: Desk, send: Send, scanner: Actor, queue: InPlaceQueue
    ) -> None:
        slices = ct_series(2)
        system = replace(scanner, id="system", kind="system")
        (kept,) = (await send([*slices, note_bytes(slices)], "dimse", system))[2:]
        await queue.drain(desk.db)
        assert await history(desk, kept) == []

    async def test_what_comes_after_its_note_goes_with_it(self, desk: Desk, arrive: Arrive) -> None:
        slices = ct_series(3)
        (kept,) = await arrive([note_bytes(slices[:2])])
        (made,) = await history(desk, kept)
        assert (made["after"]["objects"], made["after"]["absent"]) == (0, 2)
        answers = [*await arrive(slices[:1]), *await arrive(slices[1:])]
        assert await shown(desk, kept.study_uid) == {answers[2].sop_uid, kept.sop_uid}
        (made,) = await history(desk, kept)
        assert (made["after"]["objects"], made["after"]["absent"]) == (2, 0)
        await desk.undo(made)
        assert len(await shown(desk, kept.study_uid)) == 4

    async def test_other_studies_and_other_organisations_are_left_alone(
        self,
        desk: Desk,
        send: Send,
        arrive: Arrive,
        scanner: Actor,
        stranger: Actor,
        stranger_space: SpaceRead,
    ) -> None:
        mine, other = ct_series(1), ct_series(2)
        (first, *others) = await arrive([*mine, *other])
        there = pydicom.dcmread(io.BytesIO(note_bytes(other)))
        note = note_bytes(mine, also=there.CurrentRequestedProcedureEvidenceSequence[0])
        await send([*mine, *other], "dimse", replace(scanner, org_id=stranger.org_id))
        (kept,) = await arrive([note])
        (made,) = await history(desk, kept)
        assert kept.study_id == first.study_id
        assert (made["after"]["objects"], made["after"]["elsewhere"]) == (1, 2)
        assert await shown(desk, others[0].study_uid) == {a.sop_uid for a in others}
        async with desk.db.reading() as session:
            page = await service.find_instances(session, stranger, "default", ArchiveQuery({}))
        assert len(page.items) == 3

    async def test_a_hold_stands_against_the_end_of_retention(
        self, desk: Desk, arrive: Arrive
    ) -> None:
        slices = ct_series(1)
        (answer,) = await arrive(slices)
        await desk.client.patch(f"/v1/studies/{answer.study_id}", json={"legal_hold": True})
        await arrive([note_bytes(slices, EXPIRED)])
        (asked,) = await history(desk, answer)
        assert (asked["kind"], asked["code"]) == ("reject_asked", "retention_expired")
        assert len(await shown(desk, answer.study_uid)) == 2

    async def test_ordinary_key_objects_and_notes_of_persons_hide_nothing(
        self, desk: Desk, send: Send, arrive: Arrive, queue: InPlaceQueue
    ) -> None:
        slices = ct_series(2)
        (kept,) = (await arrive([*slices, note_bytes(slices, OF_INTEREST)]))[2:]
        assert await history(desk, kept) == []
        await send([note_bytes(slices)], "upload")
        await queue.drain(desk.db)
        assert [c["kind"] for c in await history(desk, kept)] == ["reject_asked"]
        assert len(await shown(desk, kept.study_uid)) == 4


class TestHeld:
    async def test_a_person_follows_the_note(self, desk: Desk, arrive: Arrive) -> None:
        slices = ct_series(3)
        (kept,) = (await arrive([*slices, note_bytes(slices[:2], SAFETY)]))[3:]
        assert len(await shown(desk, kept.study_uid)) == 4
        (asked,) = await history(desk, kept)
        assert (asked["kind"], asked["code"]) == ("reject_asked", "patient_safety")
        assert (asked["after"]["note"], asked["after"]["named"]) == (str(kept.instance_id), 2)
        path = f"/studies/{kept.study_id}/reject"
        bad = {"code": "quality", "note": str(kept.instance_id)}
        await desk.post(path, 422, **bad, instances=[str(kept.instance_id)])
        await desk.post(path, 404, code="quality", note=asked["id"])
        made = await desk.post(path, code=asked["code"], note=asked["after"]["note"])
        assert (made["reason"], made["after"]["objects"]) == (WHY["reason"], 2)
        assert len(await shown(desk, kept.study_uid)) == 2
        asked = (await history(desk, kept))[-1]
        assert asked["undone_reason"] == WHY["reason"]  # nobody waits for an answer any more
        await desk.post(path, 409, code=asked["code"], note=asked["after"]["note"])
        await desk.undo(made)
        assert len(await shown(desk, kept.study_uid)) == 4

    async def test_a_declined_note_stays_declined(self, desk: Desk, arrive: Arrive) -> None:
        slices = ct_series(2)
        await arrive(slices[:1])
        (kept,) = await arrive([note_bytes(slices)])
        (asked,) = await history(desk, kept)
        await desk.undo(asked)
        await arrive(slices[1:])
        assert len(await history(desk, kept)) == 1
        assert len(await shown(desk, kept.study_uid)) == 3


class TestHeldNotes:
    async def test_lists_what_waits_and_what_was_decided(self, desk: Desk, arrive: Arrive) -> None:
        asked = []
        for title in (SAFETY, QUALITY, WORKLIST):
            slices = ct_series(2)
            asked += (await arrive([*slices, note_bytes(slices[:1], title)]))[2:]
        first = await desk.get("/rejection-notes", limit=2)
        second = await desk.get("/rejection-notes", limit=2, cursor=first["next"])
        found = [*first["items"], *second["items"]]
        assert [n["note"] for n in found] == [str(a.instance_id) for a in reversed(asked)]
        assert [n["code"] for n in found] == ["incorrect_worklist", "quality", "patient_safety"]
        assert second["next"] is None
        assert {(n["state"], n["named"], n["made_by"]) for n in found} == {
            ("waiting", 1, "device:CT1")
        }
        one, two, three = found
        path = f"/studies/{one['study']['id']}/reject"
        await desk.post(path, code=one["code"], note=one["note"])
        await desk.undo(two)
        await desk.client.delete(f"/v1/studies/{three['study']['id']}")
        assert (await desk.get("/rejection-notes"))["items"] == []
        decided = (await desk.get("/rejection-notes", decided=True))["items"]
        assert [(n["state"], n["note"]) for n in decided] == [
            ("followed", one["note"]),
            ("declined", two["note"]),
        ]
        assert {n["decided_reason"] for n in decided} == {WHY["reason"]}

    async def test_tells_the_decision_that_stands_and_whose_it_was(
        self, desk: Desk, arrive: Arrive
    ) -> None:
        slices = ct_series(2)
        kept = (await arrive([*slices, note_bytes(slices[:1], SAFETY)]))[2]
        (asked,) = (await desk.get("/rejection-notes"))["items"]
        await desk.post(f"/corrections/{asked['id']}/undo", 200, reason="declined at first")
        followed = await desk.post(
            f"/studies/{kept.study_id}/reject",
            **{"code": asked["code"], "note": asked["note"], "reason": "followed after all"},
        )
        (told,) = (await desk.get("/rejection-notes", decided=True))["items"]
        assert (told["state"], told["decided_reason"]) == ("followed", "followed after all")
        assert told["decided_at"] == followed["created_at"]
        await desk.post(f"/corrections/{followed['id']}/undo", 200, reason="taken back")
        (told,) = (await desk.get("/rejection-notes", decided=True))["items"]
        assert (told["state"], told["decided_reason"]) == ("declined", "taken back")

    async def test_shows_nothing_of_other_organisations_or_unseen_spaces(
        self,
        desk: Desk,
        arrive: Arrive,
        authenticator: TableAuthenticator,
        space: SpaceRead,
        stranger_space: SpaceRead,
    ) -> None:
        slices = ct_series(1)
        await arrive([*slices, note_bytes(slices)])
        async with desk.db.transaction() as session:
            closed = SpaceChange(restricted=True)
            await spaces.change(session, desk.actor, space.id, closed)
        person = replace(desk.actor, id="p", permissions=frozenset({"studies:correct"}))
        authenticator.actors |= {
            "outside": replace(person, user_id=new_id()),
            "weak": replace(person, permissions=frozenset({"studies:read"})),
        }
        for who, status in (("stranger", 200), ("outside", 200), ("weak", 403)):
            headers = {"x-test-actor": who}
            answer = await desk.client.get("/v1/rejection-notes", headers=headers)
            assert answer.status_code == status
            assert answer.json().get("items", []) == []
        assert len((await desk.get("/rejection-notes"))["items"]) == 1


class TestParse:
    """Notes that break the rules of their object reject nothing they should not."""

    @pytest.mark.parametrize(
        "json",
        [
            {},
            {"0040A043": {"vr": "SQ"}},
            {"0040A043": {"vr": "SQ", "Value": [None]}},
            {"0040A043": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": [QUALITY]}}]}},
        ],
    )
    def test_no_title_no_note(self, json: dict[str, Any]) -> None:
        assert rejection_notes.parse(new_id(), json) is None

    def test_it_never_names_itself(self) -> None:
        slices = ct_series(1)
        sop = str(pydicom.dcmread(io.BytesIO(slices[0])).SOPInstanceUID)
        data = note_bytes(slices, SOPInstanceUID=sop)
        json = pydicom.dcmread(io.BytesIO(data)).to_json_dict()
        found = rejection_notes.parse(new_id(), json)
        assert found is not None and found.named == frozenset()
