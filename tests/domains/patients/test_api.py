# SPDX-License-Identifier: Apache-2.0
"""Patients through the service and the door."""

import httpx
import pytest
from sqlalchemy import select

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.patients import service
from healthvision.domains.patients.names import search_words
from healthvision.domains.patients.schemas import PatientSeen
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

WANG = PatientSeen("P1", name="Wang^XiaoDong=王^小东", sex="M", birth_date="19600102")


class TestObserve:
    async def test_gaps_are_filled_and_contradictions_kept_in_sight(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        async with db.transaction() as session:
            first = await service.observe(session, actor, PatientSeen("P1"), source="1.1")
            for _ in range(2):
                assert await service.observe(session, actor, WANG, source="1.2") == first
            other = PatientSeen("P1", name="Li^Si", sex="M", birth_date="19600102")
            await service.observe(session, actor, other, source="1.3")
        found = (await client.get(f"/v1/patients/{first}")).json()
        assert (found["name"], found["sex"], found["conflict_count"]) == (WANG.name, "M", 1)
        (conflict,) = found["conflicts"]
        assert (conflict["attribute"], conflict["other"], conflict["source"]) == (
            "name",
            "Li^Si",
            "1.3",
        )

    async def test_issuers_and_nameless_patients_stay_apart(
        self, db: Database, actor: Actor
    ) -> None:
        seen = [
            PatientSeen("P1"),
            PatientSeen("P1", issuer="H2"),
            PatientSeen("", scope="1.1"),
            PatientSeen("", scope="1.2"),
        ]
        async with db.transaction() as session:
            refs = {await service.observe(session, actor, s, source="1.1") for s in seen}
        assert len(refs) == 4


class TestListPatients:
    @pytest.mark.parametrize(
        ("params", "count"),
        [
            ({"name": "xiao wang"}, 1),
            ({"name": "王"}, 1),
            ({"name": "dong"}, 0),
            ({"patient_id": "P1"}, 1),
            ({"patient_id": "P"}, 0),
            ({"conflicts_only": "true"}, 0),
        ],
    )
    async def test_finds_by_number_and_name_and_is_audited(
        self,
        db: Database,
        actor: Actor,
        client: httpx.AsyncClient,
        params: dict[str, str],
        count: int,
    ) -> None:
        async with db.transaction() as session:
            ref = await service.observe(session, actor, WANG, source="1.1")
        page = (await client.get("/v1/patients", params=params)).json()
        assert (len(page["items"]), page["total"]) == (count, count)
        other = {"x-test-actor": "stranger"}
        assert (await client.get("/v1/patients", params=params, headers=other)).json()["total"] == 0
        assert (await client.get(f"/v1/patients/{ref}", headers=other)).status_code == 404
        await audit.flush(db)
        async with db.reading() as session:
            rows = (await session.scalars(select(AuditEvent))).all()
        seen = {r.action for r in rows if r.outcome == "success"}
        assert seen == {"patients.patients_listed"}
        refused = [(r.org_id, r.action) for r in rows if r.outcome == "refused"]
        assert all(org != actor.org_id for org, _ in refused), "the stranger's attempts are his"


class TestSearchWords:
    def test_folds_case_width_and_accents(self) -> None:
        assert search_words("Müller^Jörg") == " muller jorg "
        assert search_words("Ｗang^Xiao=王^小东") == " wang xiao 王 小东 "
        assert search_words("") == ""
