# SPDX-License-Identifier: Apache-2.0
"""What the demo prints, and when it knows that nothing more will come."""

import io
import subprocess
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import Progress

from healthvision.app.accounts import DemoPeople
from healthvision.app.demo import story, tables
from healthvision.app.demo.materials import Case
from healthvision.app.demo.server import Server
from healthvision.app.demo.visit import Visit
from healthvision.client import Client
from healthvision.client.models import AuditEvent, Page, Result
from healthvision.clinical.phantoms.chest import ChestConfig, phantom
from healthvision.kernel.clock import new_id, now

REASON = "slices of 7 mm"


def _case(**more: Any) -> Case:
    given = {"label": "chest", "door": "upload zip", "patient_id": "P", "filename": "x.zip"}
    return Case(**{**given, "content_type": "application/zip", "files": (), "meta": {}, **more})


def _result(**fields: Any) -> Result:
    made = {"id": "r", "study_uid": "1.2", "status": "done", "summary": {"zh": "摘要", "en": "sum"}}
    return Result.model_validate({**made, **fields})


def _console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200, highlight=False), out


class TestFindings:
    def test_emphysema_stands_beside_the_phantoms_own_share(self) -> None:
        truth = phantom(1, ChestConfig((40, 96, 96), (5.0, 3.75, 3.75), nodules=0, emphysema=0.1))
        finding = {
            "tracking_id": "emphysema-1",
            "label": {"zh": "肺气肿", "en": "Emphysema"},
            "confidence": {"value": None},
            "evidence_level": "E1",
            "measurements": [{"label": {"zh": "", "en": ""}, "value": 9.44, "unit": "%"}],
        }
        visit = Visit(_case(truth=truth), results=[_result(findings=[finding])])
        console, out = _console()
        tables.print_findings(console, [visit])
        (row,) = [line for line in out.getvalue().splitlines() if "Emphysema" in line]
        assert "9.4 % of the lungs" in row
        assert f"{truth.emphysema_percent:.1f} % of the lungs" in row

    def test_an_abstention_is_told_once_in_each_language(self) -> None:
        reason = {"zh": "层厚7毫米", "en": REASON}
        summary = {"zh": "不予判断：层厚7毫米", "en": f"Abstained: {REASON}"}
        abstained = _result(status="abstained", abstained_reason=reason, summary=summary)
        console, out = _console()
        tables.print_findings(console, [Visit(_case(), results=[abstained])])
        assert out.getvalue().count(REASON) == 1
        assert out.getvalue().count("层厚7毫米") == 1


class TestAccess:
    def test_people_are_named_and_the_platform_is_called_itself(self) -> None:
        person, study = new_id(), new_id()

        class Admin(Client):
            def audit_events(self, **_asked: Any) -> Page[AuditEvent]:
                reader = ("user", str(person), None, "archive.study_read")
                by_key = ("service", "key-7", person, "analysis.result_exported")
                itself = ("system", "system", None, "archive.study_closed")
                acts = [reader, reader, by_key, itself, ("client", "bridge", None, "a.b")]
                return Page[AuditEvent](
                    items=[
                        AuditEvent(
                            id=new_id(),
                            at=now(),
                            actor_kind=kind,
                            actor_id=actor,
                            user_id=user,
                            action=action,
                            outcome="success",
                        )
                        for kind, actor, user, action in acts
                    ]
                )

        console, out = _console()
        visit = Visit(_case(), study_ids=[study])
        with Admin("http://127.0.0.1:1") as admin:
            tables.print_access(console, admin, [visit], {str(person): "Demo Radiologist"})
        shown = out.getvalue()
        assert shown.count("Demo Radiologist") == 2 and str(person) not in shown
        assert "looked at the study x 2" in shown
        assert "exported an AI result" in shown and "analysis." not in shown
        assert "study 'chest'" in shown
        assert "HealthVision itself" in shown
        assert "client bridge" in shown


class TestPlace:
    def _told(self, *, once: bool) -> str:
        console, out = _console()
        people = DemoPeople(new_id(), "admin-key", "doctor-key", "admin-word", "doctor-word")
        url, process = "http://127.0.0.1:8099", cast("subprocess.Popen[bytes]", None)
        server = Server(url, Path("server.log"), people, process, ("port 8080 is held",))
        story._tell_place(console, server, story.Plan(once, 1, None, 8080, Path("demo-data")))
        return out.getvalue()

    def test_a_demo_that_ends_names_no_address_to_open(self) -> None:
        told = self._told(once=True)
        assert "only until this demo ends" in told and "ONCE=1" in told
        assert "in a browser" not in told and "doctor-word" not in told
        assert "port 8080 is held" in told

    def test_one_that_keeps_serving_says_where_and_how_to_sign_in(self) -> None:
        told = self._told(once=False)
        assert "Open http://127.0.0.1:8099 in a browser" in told and "doctor-word" in told


class TestUnfit:
    def test_a_study_that_no_rule_took_is_said_at_once_and_not_after_all_the_others(self) -> None:
        visit = Visit(_case(label="picture"), study_ids=[new_id()])
        assert not story.unfit(visit, 100.0)
        visit.complete_at = 100.0
        assert not story.unfit(visit, 100.0 + story.RULE_S / 2)
        assert story.unfit(visit, 100.0 + story.RULE_S)

    def test_what_was_not_stored_gets_no_task_either(self) -> None:
        assert story.unfit(Visit(_case()), 0.0)

    def test_the_line_says_that_it_is_stored(self) -> None:
        visit = Visit(_case(label="picture"), study_ids=[new_id()], complete_at=-100.0)
        with Progress(console=_console()[0]) as bar:
            job = bar.add_task("analysing picture", total=1.0)
            story._tell_unfit(bar, {id(visit): job}, [visit])
            (line,) = bar.tasks
            assert line.description == "picture: stored, no application fits"
            assert line.finished
