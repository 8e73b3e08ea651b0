# SPDX-License-Identifier: Apache-2.0
"""Verdicts: given, replaced, taken back, counted."""

from typing import Any

import pytest
from sqlalchemy import select

from healthvision.clinical.result import VerificationState
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.reading.bands import confidence_band, size_band
from healthvision.domains.reading.tables import VerdictRow
from healthvision.domains.reading.verdicts import state_of
from healthvision.kernel.events import EventRow
from tests.domains.reading.conftest import Clinic
from tests.factories.results import lung_ct

FINDINGS = lung_ct().findings


def _said(*pairs: tuple[int | None, str]) -> list[VerdictRow]:
    """Return active verdicts, newest first, on findings by place (None: the whole result)."""
    return [
        VerdictRow(
            tracking_uid="" if place is None else FINDINGS[place].tracking_uid, decision=decision
        )
        for place, decision in pairs
    ]


class TestStateOf:
    @pytest.mark.parametrize(
        ("pairs", "wanted"),
        [
            ((), "ai-unverified"),
            (((0, "accept"),), "ai-unverified"),
            (((0, "accept"), (1, "accept"), (2, "accept")), "accepted"),
            (((0, "reject"), (1, "reject"), (2, "reject")), "rejected"),
            (((0, "accept"), (1, "reject"), (2, "accept")), "modified"),
            (((None, "accept"),), "accepted"),
            (((None, "reject"), (1, "accept")), "modified"),
            (((None, "accept"), (1, "accept")), "accepted"),
            (((None, "modify"), (1, "accept")), "modified"),
            (((0, "reject"), (0, "accept"), (1, "reject"), (2, "reject")), "rejected"),
        ],
    )
    def test_follows_the_newest_verdict_on_each_finding(
        self, pairs: tuple[tuple[int | None, str], ...], wanted: str
    ) -> None:
        assert state_of(_said(*pairs), FINDINGS) is VerificationState(wanted)

    def test_a_result_without_findings_needs_a_verdict_of_its_own(self) -> None:
        assert state_of([], ()) is VerificationState.AI_UNVERIFIED
        assert state_of(_said((None, "accept")), ()) is VerificationState.ACCEPTED


class TestBands:
    def test_the_lower_limit_belongs_to_a_band(self) -> None:
        assert [size_band(s) for s in (None, 3.9, 4.0, 8.0, 20.0)] == [
            "-",
            "<4 mm",
            "4-6 mm",
            "8-15 mm",
            "≥15 mm",
        ]
        assert [confidence_band(c) for c in (None, 0.49, 0.5, 0.9)] == [
            "-",
            "<50 %",
            "50-70 %",
            "≥90 %",
        ]


class TestGive:
    async def test_judged_findings_change_result_worklist_and_statistics(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.result()
        path = f"/v1/results/{result['item']['id']}"
        verdict = await clinic.judge(result, "accept", 0)
        assert (verdict["tracking_id"], verdict["application_version"]) == ("nodule-1", "0.1.0")
        assert verdict["mine"]
        assert (await clinic.get(path))["item"]["verification"] == "ai-unverified"
        changes = {"measurements": [{"code": "mean-diameter", "value": 11.0}]}
        await clinic.judge(result, "modify", 1, changes=changes, reason="remeasured")
        await clinic.judge(result, "reject", 2, reason_code="false-positive")
        assert (await clinic.get(path))["item"]["verification"] == "modified"
        (row,) = await clinic.rows(tab="mine")
        assert row["verdict_state"] == "modified"
        (one,) = (await clinic.get("/v1/statistics/agreement"))["items"]
        assert (one["application"], one["results"], one["readers"]) == ("lung-ct", 1, 1)
        assert one["total"]["accepted"]["count"] == 1
        assert one["total"]["accepted"]["low"] == pytest.approx(0.0615, abs=1e-4)
        assert [g["name"] for g in one["by_size"]] == ["4-6 mm", "8-15 mm"]
        assert one["pairs"] == []
        async with clinic.db.reading() as session:
            topics = (await session.scalars(select(EventRow.topic))).all()
        assert topics.count("reading.verdict_given.v1") == 3

    async def test_a_new_verdict_replaces_and_undo_leaves_the_history(self, clinic: Clinic) -> None:
        result = await clinic.result()
        path = f"/v1/results/{result['item']['id']}"
        first = await clinic.judge(result, "accept")
        second = await clinic.judge(result, "reject", reason="artefact")
        assert second["replaces"] == first["id"]
        said = await clinic.get(f"{path}/verdicts")
        assert said["verification"] == "rejected"
        assert [v["id"] for v in said["active"]] == [second["id"]]
        assert [v["end_reason"] for v in said["history"]] == [None, "replaced"]
        undone = await clinic.ask("DELETE", f"/v1/verdicts/{second['id']}")
        assert undone.json()["end_reason"] == "withdrawn"
        assert (await clinic.get(path))["item"]["verification"] == "ai-unverified"
        await clinic.ask("DELETE", f"/v1/verdicts/{second['id']}", status=409)

    async def test_another_reader_stands_beside_and_agreement_is_measured(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.result()
        for place, (one, two) in enumerate(
            (("accept", "accept"), ("reject", "reject"), ("accept", "reject"))
        ):
            mine = await clinic.judge(result, one, place)
            await clinic.judge(result, two, place, who="second")
        await clinic.ask("DELETE", f"/v1/verdicts/{mine['id']}", who="second", status=403)
        said = await clinic.get(f"/v1/results/{result['item']['id']}/verdicts")
        assert sum(v["mine"] for v in said["active"]) == 3
        assert len(said["active"]) == 6
        (stats,) = (await clinic.get("/v1/statistics/agreement"))["items"]
        (pair,) = stats["pairs"]
        assert (pair["n"], pair["observed"]) == (3, pytest.approx(2 / 3))
        assert pair["kappa"] == pytest.approx(0.4)

    async def test_wrong_input_foreign_results_and_programs_are_refused(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.result()
        path = f"/v1/results/{result['item']['id']}/verdicts"
        wrong: list[Any] = [
            {"decision": "modify"},
            {"decision": "modify", "changes": {}},
            {"decision": "accept", "changes": {"label": "x"}},
            {"decision": "maybe"},
        ]
        for body in wrong:
            await clinic.ask("POST", path, body, status=422)
        await clinic.ask("POST", path, {"decision": "accept", "tracking_uid": "1.2"}, status=404)
        await clinic.judge(result, "accept", who="stranger", status=404)
        await clinic.judge(result, "accept", who="viewer", status=403)
        await clinic.judge(result, "accept", who="program", status=403)
        verdict = await clinic.judge(result, "accept")
        await clinic.ask("DELETE", f"/v1/verdicts/{verdict['id']}", who="stranger", status=404)
        found = await clinic.ask("GET", "/v1/verdicts", who="stranger")
        assert found.json()["items"] == []
        stats = await clinic.ask("GET", "/v1/statistics/agreement", who="stranger")
        assert stats.json()["items"] == []

    async def test_verdicts_are_found_as_labels_and_recorded_without_words(
        self, clinic: Clinic
    ) -> None:
        result = await clinic.result()
        await clinic.judge(result, "accept", 0)
        await clinic.judge(result, "reject", 1, reason="Wang says no")
        found = await clinic.get("/v1/verdicts", decision="reject", application="lung-ct", limit=1)
        assert [v["tracking_id"] for v in found["items"]] == ["nodule-2"]
        assert found["next"] is None
        page = await clinic.get("/v1/verdicts", limit=1)
        rest = await clinic.get("/v1/verdicts", limit=1, cursor=page["next"])
        assert page["items"][0]["id"] != rest["items"][0]["id"]
        async with clinic.db.reading() as session:
            rows = (
                await session.scalars(
                    select(AuditEvent).where(AuditEvent.action == "reading.verdict_given")
                )
            ).all()
        assert len(rows) == 2
        assert all("Wang" not in str(row.after) for row in rows)
