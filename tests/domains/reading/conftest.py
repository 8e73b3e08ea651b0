# SPDX-License-Identifier: Apache-2.0
"""The reading room over analysis, with a second doctor and ready results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from healthvision.clinical.result import Code, Result, Text
from healthvision.domains.analysis.tables import FindingRow, ResultRow, Task
from healthvision.domains.archive import service as archive
from healthvision.domains.modelhub.service import Installed, Registry
from healthvision.domains.reading import module as reading
from healthvision.domains.reading import service
from healthvision.domains.spaces.service import ensure_default
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.domains.analysis.conftest import TARGET, Ward
from tests.domains.analysis.conftest import modules as lower
from tests.factories.results import lung_ct
from tests.support.applications import BRIGHT
from tests.support.auth import HEADER, TableAuthenticator
from tests.support.queue import InPlaceQueue


@pytest.fixture
def modules() -> Sequence[Module]:
    """Reading and everything below it."""
    return [*lower.__wrapped__(), reading.MODULE]  # type: ignore[attr-defined]


@dataclass
class Clinic(Ward):
    """A hospital with two doctors and a viewer; results can be put in ready-made."""

    second: Actor

    async def study(self, name: str = "one") -> UUID:
        """Bring a study in and show it in the worklist."""
        study_id = await self.bring(name)
        await self.refresh(study_id)
        return study_id

    async def refresh(self, study_id: UUID) -> None:
        """Write the worklist's row as things are."""
        async with self.db.transaction() as session:
            await service.refresh(session, self.actor.org_id, study_id)

    async def result(self, name: str = "one", *, of: Result | None = None) -> dict[str, Any]:
        """Bring a study in with a result of lung-ct; return the result as the API gives it."""
        study_id = await self.bring(name)
        made = of or lung_ct()
        result_id, task_id = new_id(), new_id()
        async with self.db.transaction() as session:
            study = await archive.get_study(session, self.actor, study_id)
            space = study.spaces[0].space_id
            made = made.model_copy(
                update={
                    "id": str(result_id),
                    "task_id": str(task_id),
                    "study_uid": study.study_uid,
                    "space_id": str(space),
                }
            )
            session.add(_task(self.actor.org_id, task_id, study, space, made))
            await session.flush()
            session.add(_row(self.actor.org_id, result_id, task_id, study, space, made))
            await session.flush()
            session.add_all(_findings(self.actor.org_id, result_id, made))
        await self.refresh(study_id)
        return dict(await self.get(f"/v1/results/{result_id}"))

    async def unsure(self, *, sure: int = 0) -> dict[str, Any]:
        """Bring a study in whose result is unsure, beside ``sure`` findings; nothing is graded."""
        made = lung_ct()
        code = Code(scheme="99HV", value="pneumonia-unsure-child", meaning="Unsure")
        label = Text(zh="不确定", en="unsure")
        found = [f.model_copy(update={"categories": ()}) for f in made.findings]
        last = found[-1].model_copy(update={"code": code, "label": label})
        return await self.result(of=made.model_copy(update={"findings": (last, *found[:sure])}))

    async def judge(
        self,
        result: dict[str, Any],
        decision: str,
        finding: int | None = None,
        *,
        who: str = "actor",
        status: int = 201,
        **more: Any,
    ) -> Any:
        """Give a verdict on a finding by its place, or on the whole result."""
        uid = ""
        if finding is not None:
            uid = result["result"]["findings"][finding]["tracking_uid"]
        body = {"tracking_uid": uid, "decision": decision, **more}
        path = f"/v1/results/{result['item']['id']}/verdicts"
        answer = await self.client.post(path, json=body, headers={HEADER: who})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "actor",
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Call the API as somebody and return the answer."""
        answer = await self.client.request(
            method, path, json=body, headers={HEADER: who, **(headers or {})}
        )
        assert answer.status_code == status, answer.text
        return answer

    async def rows(self, **query: Any) -> list[dict[str, Any]]:
        """Return the first page of the worklist."""
        return list((await self.get("/v1/worklist", **query))["items"])


def _task(org_id: UUID, task_id: UUID, study: Any, space: UUID, made: Result) -> Task:
    return Task(
        id=task_id,
        org_id=org_id,
        space_id=space,
        study_id=study.id,
        study_uid=study.study_uid,
        patient_ref=study.patient_ref,
        application_id=made.application.id,
        application_version=made.application.version,
        task_key=str(task_id),
        run=1,
        seed=0,
        parameters={},
        priority=made.priority.value,
        source="rule",
        rule_id=None,
        requested_by="system:system",
        state="done",
        progress=1.0,
        stage="done",
        revision=3,
        ticket=1,
        fence=1,
        attempts=1,
        cancel_requested=False,
        error_code=None,
        error_detail=None,
        last_instance_at=now(),
        started_at=now(),
        finished_at=now(),
        deadline_at=now(),
        deadline_missed=False,
        queued_at=now(),
        preemptions=0,
        room_made=False,
    )


def _row(
    org_id: UUID, result_id: UUID, task_id: UUID, study: Any, space: UUID, made: Result
) -> ResultRow:
    return ResultRow(
        id=result_id,
        org_id=org_id,
        task_id=task_id,
        space_id=space,
        study_id=study.id,
        study_uid=study.study_uid,
        patient_ref=study.patient_ref,
        patient_id=study.patient_id,
        study_date=study.study_date,
        application_id=made.application.id,
        application_version=made.application.version,
        version=1,
        status=made.status.value,
        verification=made.verification.value,
        priority=made.priority.value,
        worst_category="lung-rads-v2022:4A" if made.findings else "",
        finding_count=len(made.findings),
        published=True,
        hidden=False,
        supersedes=None,
        superseded_by=None,
        document=made.model_dump(mode="json"),
    )


def _findings(org_id: UUID, result_id: UUID, made: Result) -> list[FindingRow]:
    return [
        FindingRow(
            result_id=result_id,
            number=number,
            org_id=org_id,
            tracking_uid=finding.tracking_uid,
            scheme=finding.code.scheme,
            code=finding.code.value,
            guideline="",
            category="",
            confidence=finding.confidence.value,
        )
        for number, finding in enumerate(made.findings)
    ]


@pytest.fixture
async def clinic(
    db: Database,
    queue: InPlaceQueue,
    client: httpx.AsyncClient,
    actor: Actor,
    authenticator: TableAuthenticator,
) -> Clinic:
    """The hospital; ``x-test-actor``: actor, second, viewer, program or stranger."""
    db.resources.put(Registry, Registry([Installed(BRIGHT.manifest, TARGET)]))
    user = new_id()
    second = replace(actor, id=str(user), user_id=user)
    reads = frozenset({"studies:read", "reading:read", "reports:read", "verdicts:read"})
    viewer = replace(second, id=str(new_id()), user_id=new_id(), permissions=reads)
    program = replace(actor, id="key-1", user_id=None, kind="service")
    authenticator.actors.update(second=second, viewer=viewer, program=program)
    async with db.transaction() as session:
        await ensure_default(session, actor)
    await queue.drain(db)
    return Clinic(db, queue, client, actor, second)
