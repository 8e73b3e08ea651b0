# SPDX-License-Identifier: Apache-2.0
"""Results follow their study when it is corrected."""

from uuid import UUID

from tests.domains.analysis.conftest import Ward

WHY = "sent under the wrong name"


class TestFollowing:
    async def test_a_moved_study_takes_its_results_along(self, ward: Ward) -> None:
        task = await ward.analysed()
        await ward.bring("two")
        (other,) = (await ward.get("/v1/patients", patient_id="P-two"))["items"]
        moved = {"patient": other["id"], "reason": WHY}
        made = await ward.post(f"/v1/studies/{task['study_id']}/move", moved)
        await ward.drain()
        result = await ward.get(f"/v1/results/{task['result_id']}")
        assert result["item"]["patient_ref"] == other["id"]
        assert result["result"]["patient"]["patient_id"] == "P-two"
        assert len((await ward.get("/v1/results", patient=other["id"]))["items"]) == 1
        answer = await ward.client.post(f"/v1/corrections/{made['id']}/undo", json={"reason": WHY})
        assert answer.status_code == 200
        await ward.drain()
        result = await ward.get(f"/v1/results/{task['result_id']}")
        assert result["result"]["patient"]["patient_id"] == "P-one"

    async def test_a_split_series_takes_its_results_along(self, ward: Ward) -> None:
        task = await ward.analysed()
        study = await ward.get(f"/v1/studies/{task['study_id']}")
        result = await ward.get(f"/v1/results/{task['result_id']}")
        uid = result["result"]["series"]["series_uid"]
        series = [s["id"] for s in study["series"] if s["series_uid"] == uid]
        path = f"/v1/studies/{task['study_id']}/split"
        made = await ward.post(path, {"series": series, "reason": WHY})
        await ward.drain()
        moved = await ward.get(f"/v1/results/{task['result_id']}")
        assert moved["item"]["study_id"] == made["other_study_id"]
        assert moved["result"]["study_uid"] == made["after"]["study_uid"]
        assert UUID((await ward.get(f"/v1/tasks/{task['id']}"))["study_id"]) == UUID(
            made["other_study_id"]
        )

    async def test_an_analysis_of_a_corrected_study_writes_outputs_of_its_patient(
        self, ward: Ward
    ) -> None:
        study = await ward.bring()
        edited = {"description": "Corrected", "accession_number": "A-9", "reason": WHY}
        await ward.post(f"/v1/studies/{study}/edit", edited)
        await ward.close(study)
        (found,) = (await ward.get("/v1/results", study=str(study)))["items"]
        result = await ward.get(f"/v1/results/{found['id']}")
        assert result["result"]["accession_number"] == "A-9"
        assert (await ward.get("/v1/conflicts"))["items"] == []
