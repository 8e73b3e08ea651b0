# SPDX-License-Identifier: Apache-2.0
"""Corrections through the service and the door: what is shown, what is kept, what comes back."""

import io
from typing import Any
from uuid import UUID

import httpx
import pydicom
import pytest
from pydicom.uid import generate_uid

from healthvision.domains.archive import service
from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.packing.packs import plain_document
from healthvision.domains.archive.schemas import ArchiveQuery, Received
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series

OTHER = {"x-test-actor": "stranger"}
WHY = {"reason": "wrong at the console"}
LI: dict[str, Any] = {
    "PatientID": "P2",
    "PatientName": "Li^Na=李^娜",
    "PatientSex": "F",
    "PatientBirthDate": "19800101",
}


class Desk:
    """What tests ask of the platform."""

    def __init__(self, client: httpx.AsyncClient, db: Database, actor: Actor) -> None:
        self.client, self.db, self.actor = client, db, actor

    async def post(self, path: str, status: int = 201, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"/v1{path}", json={**WHY, **body})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = await self.client.get(f"/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def undo(self, made: dict[str, Any], status: int = 200) -> dict[str, Any]:
        return await self.post(f"/corrections/{made['id']}/undo", status)

    async def study(self, study_id: UUID | None) -> dict[str, Any]:
        return await self.get(f"/studies/{study_id}")

    async def objects(self, uid: str) -> list[pydicom.Dataset]:
        """Return the objects of a study as they go out, each with the size that was promised."""
        found: list[pydicom.Dataset] = []
        async for pixels in service.read_instances(self.db, self.actor, "default", uid):
            data = b"".join([piece async for piece in pixels.stream])
            assert len(data) == pixels.ref.size
            found.append(pydicom.dcmread(io.BytesIO(data)))
        return found

    async def metadata(self, uid: str) -> list[dict[str, Any]]:
        wanted = service.Wanted("default", uid)
        _, ready = await service.ready_metadata(self.db, self.actor, wanted)
        async with self.db.reading() as session:
            also = await service.metadata(session, self.actor, "default", uid)
        documents = [plain_document(m.text) for m in ready]
        assert documents == [json for _, json in also]
        return documents

    async def found(self, **filters: str) -> list[dict[str, Any]]:
        """Return what QIDO says of studies."""
        async with self.db.reading() as session:
            page = await service.find_studies(session, self.actor, "default", ArchiveQuery(filters))
        return [item.json for item in page.items]

    async def patient(self, number: str) -> dict[str, Any]:
        (found,) = (await self.get("/patients", patient_id=number))["items"]
        whole: dict[str, Any] = await self.get(f"/patients/{found['id']}")
        return whole


@pytest.fixture
def desk(client: httpx.AsyncClient, db: Database, actor: Actor, space: SpaceRead) -> Desk:
    """The platform, with a default space."""
    return Desk(client, db, actor)


def value(json: dict[str, Any], tag: str) -> Any:
    """Return the first value of an attribute of DICOM JSON; None when it has none."""
    return (json.get(tag, {}).get("Value") or [None])[0]


def of_study(answer: Received) -> UUID:
    """Return the study of a stored object."""
    assert answer.study_id is not None
    return answer.study_id


class TestMergePatients:
    async def test_everything_goes_over_and_comes_back(self, desk: Desk, send: Send) -> None:
        (mine,) = await send([ct_bytes()])
        (hers,) = await send([ct_bytes(**LI)])
        one, other = await desk.patient("P1"), await desk.patient("P2")
        made = await desk.post(f"/patients/{one['id']}/merge", into=other["id"])
        assert (await desk.study(mine.study_id))["patient_ref"] == other["id"]
        assert len(await desk.found(PatientID="P2")) == 2
        assert await desk.found(PatientID="P1") == []
        assert len(await desk.found(PatientName="李*")) == 2
        (shown,) = await desk.objects(mine.study_uid)
        assert (shown.PatientID, str(shown.PatientName)) == ("P2", "Li^Na=李^娜")
        assert shown.OtherPatientIDsSequence[0].PatientID == "P1"
        (json,) = await desk.metadata(mine.study_uid)
        assert value(json, "00100020") == "P2"
        assert (await desk.patient("P1"))["merged_into"] == other["id"]
        (prior,) = (await desk.patient("P2"))["prior_numbers"]
        assert prior["patient_id"] == "P1"

        (late,) = await send([ct_bytes()])  # new objects of the merged patient
        assert (await desk.study(late.study_id))["patient_id"] == "P2"
        (more,) = await send([ct_bytes(study_uid=late.study_uid)])
        assert more.study_id == late.study_id
        assert [str(o.PatientID) for o in await desk.objects(late.study_uid)] == ["P2", "P2"]
        assert (await desk.get("/conflicts"))["items"] == []

        undone = await desk.undo(made)
        assert undone["undone_at"]
        for study in (mine, late):
            found = await desk.study(study.study_id)
            assert (found["patient_ref"], found["patient_id"]) == (one["id"], "P1")
            assert found["patient_name"] == "Wang^XiaoDong=王^小东"
        assert (await desk.study(hers.study_id))["patient_id"] == "P2"
        assert (await desk.objects(mine.study_uid))[0].PatientID == "P1"
        assert len(await desk.found(PatientID="P1")) == 2

    async def test_chains_are_followed_and_taken_back_in_any_order(
        self, desk: Desk, send: Send
    ) -> None:
        numbers = ("A", "B", "C")
        sent = [(await send([ct_bytes(PatientID=n)]))[0] for n in numbers]
        refs = {n: (await desk.patient(n))["id"] for n in numbers}

        async def shown() -> list[str]:
            return [(await desk.study(s.study_id))["patient_id"] for s in sent]

        first = await desk.post(f"/patients/{refs['A']}/merge", into=refs["B"])
        second = await desk.post(f"/patients/{refs['B']}/merge", into=refs["C"])
        assert await shown() == ["C", "C", "C"]
        await desk.undo(first)
        assert await shown() == ["A", "C", "C"]
        again = await desk.post(f"/patients/{refs['A']}/merge", into=refs["B"])
        await desk.undo(second)
        assert await shown() == ["B", "B", "C"]
        await desk.undo(again)
        assert await shown() == ["A", "B", "C"]

    async def test_refuses_circles_and_seconds(self, desk: Desk, send: Send) -> None:
        await send([ct_bytes(PatientID="A"), ct_bytes(PatientID="B"), ct_bytes(PatientID="C")])
        a, b, c = [(await desk.patient(n))["id"] for n in ("A", "B", "C")]
        made = await desk.post(f"/patients/{a}/merge", into=b)
        assert (await desk.post(f"/patients/{b}/merge", 409, into=a))["code"] == "patient-merged"
        assert (await desk.post(f"/patients/{a}/merge", 409, into=c))["code"] == "patient-merged"
        assert (await desk.post(f"/patients/{a}/merge", 409, into=a))["code"] == "patient-merged"
        await desk.undo(made)
        assert (await desk.undo(made, 409))["code"] == "correction-undone"


class TestEditPatient:
    async def test_holds_in_all_studies_also_new_ones(self, desk: Desk, send: Send) -> None:
        (answer,) = await send([ct_bytes()])
        ref = (await desk.patient("P1"))["id"]
        first = await desk.post(f"/patients/{ref}/edit", name="Wang^Dong", sex="F")
        second = await desk.post(f"/patients/{ref}/edit", sex="O")
        (late,) = await send([ct_bytes()])
        for study in (answer, late):
            found = await desk.study(study.study_id)
            assert (found["patient_name"], found["patient_sex"]) == ("Wang^Dong", "O")
        assert (await desk.patient("P1"))["conflict_count"] == 0
        await desk.undo(first)
        found = await desk.study(answer.study_id)
        assert (found["patient_name"], found["patient_sex"]) == ("Wang^XiaoDong=王^小东", "O")
        await desk.undo(second)
        for study in (answer, late):
            assert (await desk.study(study.study_id))["patient_sex"] == "M"
        assert (await desk.objects(late.study_uid))[0].PatientSex == "M"


class TestMoveStudy:
    async def test_the_study_is_of_the_other_patient(self, desk: Desk, send: Send) -> None:
        (answer,) = await send([ct_bytes()])
        (hers,) = await send([ct_bytes(**LI)])
        other = (await desk.patient("P2"))["id"]
        path = f"/studies/{answer.study_id}"
        made = await desk.post(f"{path}/move", patient=other)
        (shown,) = await desk.objects(answer.study_uid)
        assert (shown.PatientID, shown.PatientSex) == ("P2", "F")
        assert "OtherPatientIDsSequence" not in shown
        await send([ct_bytes(study_uid=answer.study_uid, number=2)])  # a late slice of it
        assert [str(o.PatientID) for o in await desk.objects(answer.study_uid)] == ["P2", "P2"]
        assert (await desk.get("/conflicts"))["items"] == []
        repeated = await desk.post(f"{path}/move", 409, patient=other)
        assert repeated["code"] == "nothing-to-correct"
        history = (await desk.get(f"{path}/history"))["items"]
        assert [(c["kind"], c["reason"]) for c in history] == [("study_move", WHY["reason"])]
        assert history[0]["before"]["patient_id"] == "P1"
        of_patient = (await desk.get(f"/patients/{other}/history"))["items"]
        assert [c["id"] for c in of_patient] == [made["id"]]
        await desk.undo(made)
        assert (await desk.study(answer.study_id))["patient_id"] == "P1"
        assert (await desk.study(hers.study_id))["patient_id"] == "P2"


class TestEditStudy:
    async def test_edits_are_laid_over_each_other_and_taken_back_in_any_order(
        self, desk: Desk, send: Send
    ) -> None:
        answers = await send(ct_series(2))
        path, uid = f"/studies/{answers[0].study_id}", answers[0].study_uid
        first = await desk.post(f"{path}/edit", description="Head CT", study_date="20250101")
        second = await desk.post(f"{path}/edit", description="头部平扫", accession_number="")
        assert [value(j, "00081030") for j in await desk.found(StudyDate="20250101")] == [
            "头部平扫"
        ]
        for shown in await desk.objects(uid):
            assert (shown.StudyDescription, shown.StudyDate) == ("头部平扫", "20250101")
            assert shown.AccessionNumber == ""
            assert shown.Rows == 16
            assert shown.pixel_array.shape == (16, 16)
        assert {value(m, "00081030") for m in await desk.metadata(uid)} == {"头部平扫"}
        await desk.undo(first)
        found = await desk.study(answers[0].study_id)
        assert (found["description"], found["study_date"]) == ("头部平扫", "20260301")
        await desk.undo(second)
        found = await desk.study(answers[0].study_id)
        assert (found["description"], found["accession_number"]) == ("Chest CT", "A1")

    async def test_stored_bytes_stay_and_sealing_does_not_mind(
        self, desk: Desk, send: Send, db: Database, actor: Actor
    ) -> None:
        data = ct_bytes()
        (answer,) = await send([data])
        await desk.post(f"/studies/{answer.study_id}/edit", description="Knee")
        await service.seal_study(db, actor.org_id, of_study(answer))
        assert (await desk.objects(answer.study_uid))[0].StudyDescription == "Knee"
        assert value((await desk.metadata(answer.study_uid))[0], "00081030") == "Knee"
        wanted = service.Wanted("default", answer.study_uid)
        _, (ref,) = await service.find_refs(db, actor, wanted, stored=True)
        assert await service.read_bytes(db, ref) == data
        kept = await desk.client.get(f"/v1/instances/{answer.instance_id}/original")
        assert kept.content == data
        json = await desk.get(f"/instances/{answer.instance_id}/metadata")
        assert value(json, "00081030") == "Knee"

    async def test_bad_values_are_refused(self, desk: Desk, send: Send) -> None:
        (answer,) = await send([ct_bytes()])
        path = f"/studies/{answer.study_id}/edit"
        for body in (
            {"study_date": "20261350"},
            {"description": "a\\b"},
            {"accession_number": "x" * 17},
            {"patient_id": "P9"},
        ):
            await desk.post(path, 422, **body)
        assert (await desk.post(path, 409))["code"] == "nothing-to-correct"


class TestEditSeries:
    async def test_only_this_series_changes(self, desk: Desk, send: Send) -> None:
        uid = generate_uid()
        one, other = await send([ct_bytes(study_uid=uid), ct_bytes(study_uid=uid)])
        path = f"/series/{one.series_id}"
        made = await desk.post(f"{path}/edit", body_part="KNEE", number=9)
        shown = {str(o.SeriesInstanceUID): o for o in await desk.objects(uid)}
        assert shown[one.series_uid].BodyPartExamined == "KNEE"
        assert shown[one.series_uid].SeriesNumber == 9
        assert "BodyPartExamined" not in shown[other.series_uid]
        assert (await desk.study(one.study_id))["body_parts"] == ["KNEE"]
        await desk.undo(made)
        assert (await desk.get(path))["number"] == 1
        assert (await desk.study(one.study_id))["body_parts"] == []


class TestSplitStudy:
    async def test_to_a_new_study_and_back(
        self, desk: Desk, send: Send, db: Database, actor: Actor
    ) -> None:
        uid = generate_uid()
        one, other = await send([ct_bytes(study_uid=uid), ct_bytes(study_uid=uid, fill=1)])
        await service.seal_study(db, actor.org_id, of_study(one))
        path = f"/studies/{one.study_id}"
        made = await desk.post(f"{path}/split", series=[str(other.series_id)])
        new = await desk.study(UUID(made["other_study_id"]))
        assert (new["instance_count"], new["patient_id"]) == (1, "P1")
        assert (await desk.study(one.study_id))["instance_count"] == 1
        (shown,) = await desk.objects(new["study_uid"])
        assert (shown.StudyInstanceUID, shown.SOPInstanceUID) == (new["study_uid"], other.sop_uid)
        (json,) = await desk.metadata(new["study_uid"])
        assert value(json, "0020000D") == new["study_uid"]
        assert {value(j, "0020000D") for j in await desk.found()} == {uid, new["study_uid"]}
        for study in (new["id"], one.study_id):
            history = (await desk.get(f"/studies/{study}/history"))["items"]
            assert [c["id"] for c in history] == [made["id"]]
        await desk.post(f"/studies/{new['id']}/edit", description="Second visit")
        assert (await desk.objects(new["study_uid"]))[0].StudyDescription == "Second visit"
        await desk.undo(made)
        assert (await desk.study(one.study_id))["instance_count"] == 2
        assert {str(o.StudyInstanceUID) for o in await desk.objects(uid)} == {uid}
        assert (await desk.client.get(f"/v1/studies/{new['id']}")).status_code == 404

    async def test_to_a_study_of_another_patient_with_the_same_series(
        self, desk: Desk, send: Send
    ) -> None:
        series = generate_uid()
        (mine,) = await send([ct_bytes(series_uid=series)])
        (hers,) = await send([ct_bytes(series_uid=series, **LI)])
        path = f"/studies/{mine.study_id}"
        made = await desk.post(
            f"{path}/split", series=[str(mine.series_id)], into=str(hers.study_id)
        )
        shown = await desk.objects(hers.study_uid)
        assert {str(o.PatientID) for o in shown} == {"P2"}
        assert len({str(o.SeriesInstanceUID) for o in shown}) == 2
        assert {str(o.StudyInstanceUID) for o in shown} == {hers.study_uid}
        assert (await desk.study(mine.study_id))["instance_count"] == 0
        assert len(await desk.found()) == 1
        await send([ct_bytes(study_uid=mine.study_uid, series_uid=series, number=2)])
        assert (await desk.undo(made, 409))["code"] == "correction-blocked"

    async def test_the_same_objects_sent_again_do_not_stand_in_the_way(
        self, desk: Desk, send: Send
    ) -> None:
        data = ct_bytes()
        (answer,) = await send([data])
        wanted = [str(answer.series_id)]
        made = await desk.post(f"/studies/{answer.study_id}/split", series=wanted)
        (again,) = await send([data])
        assert again.outcome == "duplicate"
        assert len(await desk.found()) == 1
        await desk.undo(made)
        assert (await desk.study(answer.study_id))["instance_count"] == 1

    async def test_a_later_split_is_taken_back_first(self, desk: Desk, send: Send) -> None:
        uid = generate_uid()
        one, other = await send([ct_bytes(study_uid=uid), ct_bytes(study_uid=uid)])
        wanted = [str(other.series_id)]
        first = await desk.post(f"/studies/{one.study_id}/split", series=wanted)
        second = await desk.post(f"/studies/{first['other_study_id']}/split", series=wanted)
        refused = await desk.undo(first, 409)
        assert second["id"] in refused["detail"]
        await desk.undo(second)
        await desk.undo(first)
        assert {str(o.StudyInstanceUID) for o in await desk.objects(uid)} == {uid}

    async def test_legal_holds_cannot_be_left(self, desk: Desk, send: Send) -> None:
        (mine,), (hers,) = await send([ct_bytes()]), await send([ct_bytes(**LI)])
        await desk.client.patch(f"/v1/studies/{mine.study_id}", json={"legal_hold": True})
        body = {"series": [str(mine.series_id)], "into": str(hers.study_id)}
        refused = await desk.post(f"/studies/{mine.study_id}/split", 409, **body)
        assert refused["code"] == "under-legal-hold"
        made = await desk.post(f"/studies/{mine.study_id}/split", series=body["series"])
        assert (await desk.get(f"/studies/{made['other_study_id']}"))["legal_hold"] is True


class TestReject:
    @pytest.mark.parametrize(("code", "status"), [("quality", 200), ("patient_safety", 404)])
    async def test_nobody_finds_them_until_it_is_taken_back(
        self, desk: Desk, send: Send, code: str, status: int
    ) -> None:
        data = ct_bytes()
        (answer,) = await send([data])
        path = f"/studies/{answer.study_id}"
        made = await desk.post(f"{path}/reject", code=code)
        assert made["after"]["objects"] == 1
        assert await desk.found() == []
        wanted = service.Wanted("default", answer.study_uid)
        with pytest.raises(StudyNotFound):
            await service.find_refs(desk.db, desk.actor, wanted)
        async with desk.db.reading() as session:
            refs = await service.study_instances(session, desk.actor, of_study(answer))
        assert refs == []  # what analysis gets
        original = await desk.client.get(f"/v1/instances/{answer.instance_id}/original")
        assert original.status_code == status
        (again,) = await send([data])
        assert again.outcome == "duplicate"
        assert await desk.found() == []
        assert (await desk.post(f"{path}/reject", 409, code=code))["code"] == "nothing-to-correct"
        await desk.undo(made)
        assert len(await desk.found()) == 1
        assert (await desk.objects(answer.study_uid))[0].PatientID == "P1"

    async def test_single_objects_and_series(self, desk: Desk, send: Send) -> None:
        uid = generate_uid()
        objects = [*ct_series(3, study_uid=uid), ct_bytes(study_uid=uid)]
        answers = await send(objects)
        path = f"/studies/{answers[0].study_id}"
        one = await desk.post(
            f"{path}/reject", code="quality", instances=[str(answers[1].instance_id)]
        )
        await desk.post(
            f"{path}/reject", code="incorrect_worklist", series=[str(answers[3].series_id)]
        )
        found = await desk.study(answers[0].study_id)
        assert (found["series_count"], found["instance_count"]) == (1, 2)
        await desk.undo(one)
        assert (await desk.study(answers[0].study_id))["instance_count"] == 3

    async def test_an_object_that_took_the_uid_since_stays(self, desk: Desk, send: Send) -> None:
        study, series, sop = (generate_uid() for _ in range(3))
        ids: dict[str, Any] = {"study_uid": study, "series_uid": series, "sop_uid": sop}
        (bad,) = await send([ct_bytes(**ids)])
        made = await desk.post(f"/studies/{bad.study_id}/reject", code="quality")
        (good,) = await send([ct_bytes(**ids, fill=5)])
        assert good.current
        await desk.undo(made)
        shown = await desk.study(bad.study_id)
        assert shown["instance_count"] == 1

    async def test_retention_waits_for_the_end_of_a_hold(self, desk: Desk, send: Send) -> None:
        (answer,) = await send([ct_bytes()])
        path = f"/studies/{answer.study_id}"
        await desk.client.patch(f"/v1{path}", json={"legal_hold": True})
        refused = await desk.post(f"{path}/reject", 409, code="retention_expired")
        assert refused["code"] == "under-legal-hold"


class TestConflicts:
    async def test_the_other_value_is_made_right_by_a_correction(
        self, desk: Desk, send: Send
    ) -> None:
        (answer,) = await send([ct_bytes()])
        await send([ct_bytes(study_uid=answer.study_uid, **LI)])
        (found,) = (await desk.get("/conflicts"))["items"]
        assert (found["attribute"], found["other"]) == ("patient_id", "P2")
        decided = await desk.post(f"/conflicts/{found['id']}/resolve", 200, take="other")
        assert (await desk.study(answer.study_id))["patient_id"] == "P2"
        assert (await desk.get("/conflicts"))["items"] == []
        assert len((await desk.get("/conflicts", resolved=True))["items"]) == 1
        repeated = await desk.post(f"/conflicts/{found['id']}/resolve", 409, take="kept")
        assert repeated["code"] == "conflict-resolved"
        await desk.undo({"id": decided["correction_id"]})
        assert [c["id"] for c in (await desk.get("/conflicts"))["items"]] == [found["id"]]

    async def test_what_is_kept_can_be_confirmed(self, desk: Desk, send: Send) -> None:
        await send([ct_bytes()])
        await send([ct_bytes(PatientName="Wang^Xiao")])
        (found,) = (await desk.get("/conflicts"))["items"]
        decided = await desk.post(f"/conflicts/{found['id']}/resolve", 200, take="kept")
        assert (decided["resolution"], decided["correction_id"]) == ("kept", None)
        assert (await desk.patient("P1"))["conflict_count"] == 0


class TestStrangers:
    async def test_get_404_everywhere(
        self, desk: Desk, send: Send, stranger_space: SpaceRead
    ) -> None:
        (answer,) = await send([ct_bytes()])
        await send([ct_bytes(study_uid=answer.study_uid, **LI)])
        (conflict,) = (await desk.get("/conflicts"))["items"]
        one, other = (await desk.patient("P1"))["id"], (await desk.patient("P2"))["id"]
        study = f"/v1/studies/{answer.study_id}"
        made = await desk.post(f"/studies/{answer.study_id}/edit", description="Knee")
        calls: list[tuple[str, dict[str, Any]]] = [
            (f"/v1/patients/{one}/merge", {"into": other}),
            (f"/v1/patients/{one}/edit", {"sex": "F"}),
            (f"{study}/move", {"patient": other}),
            (f"{study}/split", {"series": [str(answer.series_id)]}),
            (f"{study}/edit", {"description": "x"}),
            (f"{study}/reject", {"code": "quality"}),
            (f"/v1/series/{answer.series_id}/edit", {"number": 3}),
            (f"/v1/corrections/{made['id']}/undo", {}),
            (f"/v1/conflicts/{conflict['id']}/resolve", {"take": "kept"}),
        ]
        for path, body in calls:
            refused = await desk.client.post(path, json={**WHY, **body}, headers=OTHER)
            assert refused.status_code == 404, path
        for path in (
            f"{study}/history",
            f"/v1/patients/{one}/history",
            f"/v1/corrections/{made['id']}",
            f"/v1/instances/{answer.instance_id}/original",
        ):
            assert (await desk.client.get(path, headers=OTHER)).status_code == 404, path
        assert (await desk.client.get("/v1/conflicts", headers=OTHER)).json()["items"] == []
