# SPDX-License-Identifier: Apache-2.0
"""Reports: prefilled, drafted, reviewed, signed, exported, amended."""

import io
from typing import Any

import pydicom
import pypdf
import pytest
from sqlalchemy import update

from healthvision.clinical.result import Text
from healthvision.domains.reading.tables import ReportVersion
from tests.domains.reading.conftest import Clinic
from tests.factories.results import lung_ct

CONTENT: dict[str, Any] = {
    "language": "zh",
    "polarity": "positive",
    "findings": "右肺上叶见实性结节。",
    "impression": "右肺上叶结节，建议随访。",
    "recommendation": "3 个月后复查 CT。",
}


async def _begun(clinic: Clinic, **more: Any) -> dict[str, Any]:
    study = await clinic.study()
    body = {"study_id": str(study), "prefill": False, **more}
    return dict((await clinic.ask("POST", "/v1/reports", body, status=201)).json())


async def _save(
    clinic: Clinic, report: dict[str, Any], content: dict[str, Any] | None = None
) -> dict[str, Any]:
    tag = (await clinic.ask("GET", f"/v1/reports/{report['id']}")).headers["etag"]
    headers = {"If-Match": tag}
    path = f"/v1/reports/{report['id']}/draft"
    answer = await clinic.ask("PUT", path, content or CONTENT, headers=headers)
    assert answer.headers["etag"] != tag
    return dict(answer.json())


async def _signed(clinic: Clinic) -> dict[str, Any]:
    report = await _begun(clinic)
    await _save(clinic, report)
    path = f"/v1/reports/{report['id']}"
    await clinic.ask("POST", f"{path}/submit")
    answer = await clinic.ask("POST", f"{path}/review", {"approve": True}, who="second")
    await clinic.drain()
    return dict(answer.json())


class TestPrefill:
    async def test_holds_accepted_and_corrected_findings_with_guideline_text(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.result()
        await clinic.judge(result, "accept", 0)
        changes = {
            "region": "左肺下叶背段",
            "measurements": [{"code": "mean-diameter", "value": 11.0}],
        }
        await clinic.judge(result, "modify", 1, changes=changes)
        await clinic.judge(result, "reject", 2)
        path = f"/v1/studies/{result['item']['study_id']}/report-prefill"
        zh = await clinic.get(path, language="zh")
        assert "平均直径 8.4 mm" in zh["findings"]
        assert "左肺下叶背段" in zh["findings"]
        assert "平均直径 11 mm" in zh["findings"]
        assert "磨玻璃" not in zh["findings"]
        assert "Lung-RADS v2022" in zh["impression"]
        assert "Lung-RADS v2022：" in zh["recommendation"]
        assert [i["tracking_uid"][-2:] for i in zh["items"]] == [".1", ".2"]
        assert zh["polarity"] == "positive"
        en = await clinic.get(path, language="en")
        assert "Mean diameter 8.4 mm" in en["findings"]
        assert "Lung-RADS v2022: " in en["recommendation"]
        body = {"study_id": result["item"]["study_id"]}
        report = (await clinic.ask("POST", "/v1/reports", body, status=201)).json()
        assert report["content"] == zh

    async def test_a_corrected_size_is_corrected_in_the_name_and_told_once(
        self, clinic: Clinic
    ) -> None:
        made = lung_ct()
        named = Text(zh="实性结节 8.4 mm", en="solid nodule 8.4 mm")
        first = made.findings[0].model_copy(update={"label": named})
        result = await clinic.result(of=made.model_copy(update={"findings": (first,)}))
        changes = {"measurements": [{"code": "mean-diameter", "value": 11.5}]}
        await clinic.judge(result, "modify", 0, changes=changes)
        path = f"/v1/studies/{result['item']['study_id']}/report-prefill"
        text = (await clinic.get(path, language="zh"))["findings"]
        assert "实性结节 11.5 mm，长径" in text
        assert "8.4" not in text

    async def test_an_accepted_unsure_answer_says_neither_positive_nor_negative(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.unsure()
        await clinic.judge(result, "accept", 0)
        path = f"/v1/studies/{result['item']['study_id']}/report-prefill"
        found = await clinic.get(path, language="en")
        assert "unsure" in found["findings"]
        assert found["polarity"] is None

    async def test_nothing_judged_is_an_empty_report(self, clinic: Clinic) -> None:
        result = await clinic.result()
        found = await clinic.get(f"/v1/studies/{result['item']['study_id']}/report-prefill")
        assert (found["findings"], found["impression"], found["polarity"]) == ("", "", None)


class TestDraft:
    async def test_is_saved_only_over_what_was_read(self, clinic: Clinic) -> None:
        report = await _begun(clinic)
        path = f"/v1/reports/{report['id']}/draft"
        await clinic.ask("PUT", path, CONTENT, status=412)
        old = (await clinic.ask("GET", f"/v1/reports/{report['id']}")).headers["etag"]
        saved = await _save(clinic, report)
        assert saved["content"]["impression"] == CONTENT["impression"]
        late = await clinic.ask("PUT", path, CONTENT, status=412, headers={"If-Match": old})
        assert late.json()["code"] == "precondition-failed"
        (row,) = await clinic.rows()
        assert (row["report_state"], row["report_id"]) == ("draft", report["id"])

    async def test_a_study_has_one_report_and_an_author(self, clinic: Clinic) -> None:
        report = await _begun(clinic)
        body = {"study_id": report["study_id"]}
        again = await clinic.ask("POST", "/v1/reports", body, who="second")
        assert (again.json()["id"], again.json()["mine"]) == (report["id"], False)
        tag = {"If-Match": again.headers["etag"]}
        path = f"/v1/reports/{report['id']}"
        refused = await clinic.ask(
            "PUT", f"{path}/draft", CONTENT, who="second", status=403, headers=tag
        )
        assert refused.json()["code"] == "not-the-author"
        taken = await clinic.ask("POST", f"{path}/take-over", who="second")
        assert taken.json()["mine"]
        await clinic.ask("DELETE", f"{path}/draft", status=403)
        await clinic.ask("DELETE", f"{path}/draft", who="second", status=204)
        await clinic.ask("GET", path, status=404)
        assert (await clinic.rows())[0]["report_state"] == "none"

    async def test_is_hidden_from_strangers_and_from_those_who_only_read(
        self, clinic: Clinic
    ) -> None:
        report = await _begun(clinic)
        await _save(clinic, report)
        path = f"/v1/reports/{report['id']}"
        seen = (await clinic.ask("GET", path, who="viewer")).json()
        assert seen["content"]["impression"] == ""
        for method, tail, body in (
            ("GET", "", None),
            ("PUT", "/draft", CONTENT),
            ("POST", "/submit", None),
            ("POST", "/review", {"approve": True}),
            ("POST", "/take-over", None),
            ("GET", "/export", None),
        ):
            await clinic.ask(method, path + tail, body, who="stranger", status=404)
        study = f"/v1/studies/{report['study_id']}"
        await clinic.ask("GET", f"{study}/report", who="stranger", status=404)
        await clinic.ask("GET", f"{study}/report-prefill", who="stranger", status=404)
        await clinic.ask("POST", path + "/submit", who="viewer", status=403)
        await clinic.ask("POST", path + "/submit", who="program", status=403)


class TestReview:
    async def test_an_incomplete_report_is_not_submitted(self, clinic: Clinic) -> None:
        report = await _begun(clinic)
        answer = await clinic.ask("POST", f"/v1/reports/{report['id']}/submit", status=422)
        assert answer.json()["field"] == "findings"
        await _save(clinic, report, {**CONTENT, "polarity": None})
        answer = await clinic.ask("POST", f"/v1/reports/{report['id']}/submit", status=422)
        assert answer.json()["field"] == "polarity"

    async def test_a_second_doctor_gives_back_or_signs(self, clinic: Clinic) -> None:
        report = await _begun(clinic)
        await _save(clinic, report)
        path = f"/v1/reports/{report['id']}"
        await clinic.ask("POST", f"{path}/review", {"approve": True}, who="second", status=409)
        await clinic.ask("POST", f"{path}/submit")
        own = await clinic.ask("POST", f"{path}/review", {"approve": True}, status=403)
        assert own.json()["code"] == "review-by-author"
        waiting = await clinic.ask("GET", "/v1/worklist?tab=review", who="second")
        assert len(waiting.json()["items"]) == 1
        assert await clinic.rows(tab="review") == []
        said = {"approve": False, "comment": "which segment?"}
        back = (await clinic.ask("POST", f"{path}/review", said, who="second")).json()
        assert (back["state"], back["review_comment"]) == ("draft", "which segment?")
        await clinic.ask("POST", f"{path}/submit")
        assert (await clinic.ask("POST", f"{path}/recall")).json()["state"] == "draft"
        await clinic.ask("POST", f"{path}/submit")
        done = (await clinic.ask("POST", f"{path}/review", {"approve": True}, who="second")).json()
        assert (done["state"], done["version"], len(done["versions"])) == ("final", 1, 1)
        (row,) = await clinic.rows(tab="done")
        assert row["report_state"] == "final"

    async def test_a_lone_doctor_may_sign_where_the_setting_says_so(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_READING_SECOND_REVIEW", "false")
        report = await _begun(clinic)
        await _save(clinic, report)
        path = f"/v1/reports/{report['id']}"
        await clinic.ask("POST", f"{path}/submit")
        done = await clinic.ask("POST", f"{path}/review", {"approve": True})
        assert done.json()["state"] == "final"


class TestSigned:
    async def test_is_stored_as_dicom_and_exported_in_every_format(self, clinic: Clinic) -> None:
        report = await _signed(clinic)
        path = f"/v1/reports/{report['id']}/export"
        sr = pydicom.dcmread(io.BytesIO((await clinic.ask("GET", f"{path}?format=sr")).content))
        assert (sr.VerificationFlag, sr.CompletionFlag, sr.PreliminaryFlag) == (
            "VERIFIED",
            "COMPLETE",
            "FINAL",
        )
        assert CONTENT["impression"] in str(sr)
        assert sr.PatientID == "P-one"
        wrapped = (await clinic.ask("GET", f"{path}?format=dicom-pdf")).content
        inside = pydicom.dcmread(io.BytesIO(wrapped)).EncapsulatedDocument
        plain = (await clinic.ask("GET", f"{path}?format=pdf")).content
        assert inside.rstrip(b"\0") == plain.rstrip(b"\0")
        text = "".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(plain)).pages)
        assert "右肺上叶结节" in text
        bundle = (await clinic.ask("GET", f"{path}?format=fhir")).json()
        main = bundle["entry"][0]["resource"]
        assert (main["resourceType"], main["status"]) == ("DiagnosticReport", "final")
        assert main["conclusion"] == CONTENT["impression"]
        signed = (await clinic.ask("GET", f"{path}?format=json")).json()
        assert signed["sha256"] == report["versions"][0]["sha256"]
        study = await clinic.get(f"/v1/studies/{report['study_id']}")
        assert {s["modality"] for s in study["series"]} == {"CT", "SR", "DOC"}
        assert (await clinic.get("/v1/tasks"))["items"] == []
        await clinic.ask("GET", f"{path}?number=2", status=404)

    async def test_addenda_and_amendments_keep_what_was_signed(self, clinic: Clinic) -> None:
        report = await _signed(clinic)
        path = f"/v1/reports/{report['id']}"
        added = await clinic.ask("POST", f"{path}/addenda", {"text": "已电话告知。"}, status=201)
        assert [v["kind"] for v in added.json()["versions"]] == ["report", "addendum"]
        await clinic.drain()
        bundle = (await clinic.ask("GET", f"{path}/export?format=fhir")).json()
        assert bundle["entry"][0]["resource"]["status"] == "appended"
        opened = await clinic.ask("POST", f"{path}/amend", who="second")
        assert opened.json()["state"] == "amending"
        body = {**CONTENT, "impression": "右肺上叶结节，建议手术。"}
        tag = {"If-Match": opened.headers["etag"]}
        await clinic.ask("PUT", f"{path}/draft", body, who="second", headers=tag)
        viewed = (await clinic.ask("GET", path, who="viewer")).json()
        assert viewed["content"]["impression"] == CONTENT["impression"]
        await clinic.ask("POST", f"{path}/submit", who="second")
        done = (await clinic.ask("POST", f"{path}/review", {"approve": True})).json()
        assert (done["version"], [v["number"] for v in done["versions"]]) == (2, [1, 2, 3])
        assert done["versions"][2]["previous"] == done["versions"][1]["sha256"]
        await clinic.drain()
        sr = await clinic.ask("GET", f"{path}/export?format=sr")
        before = pydicom.dcmread(io.BytesIO(sr.content)).PredecessorDocumentsSequence[0]
        stored = (await clinic.get(path))["versions"]
        named = before.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert named.ReferencedSOPInstanceUID == stored[1]["sr_uid"]
        bundle = (await clinic.ask("GET", f"{path}/export?format=fhir")).json()
        assert bundle["entry"][0]["resource"]["status"] == "amended"

    async def test_a_discarded_amendment_leaves_the_signed_version(self, clinic: Clinic) -> None:
        report = await _signed(clinic)
        path = f"/v1/reports/{report['id']}"
        await clinic.ask("POST", f"{path}/amend")
        await clinic.ask("DELETE", f"{path}/draft", status=204)
        left = await clinic.get(path)
        assert (left["state"], left["version"], left["reviewer"]) == (
            "final",
            1,
            clinic.second.id,
        )

    async def test_prints_are_counted_and_tampering_is_seen(self, clinic: Clinic) -> None:
        report = await _signed(clinic)
        path = f"/v1/reports/{report['id']}"
        for count in (1, 2):
            printed = await clinic.ask("POST", f"{path}/prints", status=201)
            assert printed.json()["print_count"] == count
        assert (await clinic.get(f"{path}/signature"))["intact"]
        async with clinic.db.transaction() as session:
            changed = {**report["versions"][0]["content"], "impression": "nothing"}
            await session.execute(update(ReportVersion).values(content=changed))
        found = await clinic.get(f"{path}/signature")
        assert (found["intact"], found["broken"]) == (False, [1])

    async def test_goes_with_its_study(self, clinic: Clinic) -> None:
        report = await _signed(clinic)
        found = await clinic.get("/v1/reports", state="final", mine=True)
        assert [r["id"] for r in found["items"]] == [report["id"]]
        await clinic.ask("DELETE", f"/v1/studies/{report['study_id']}", status=204)
        await clinic.ask("GET", f"/v1/reports/{report['id']}", status=404)
