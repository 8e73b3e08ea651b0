# SPDX-License-Identifier: Apache-2.0
"""The log over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.merkle import leaf_hash, verify_inclusion
from healthvision.kernel.clock import FixedClock, use_clock
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.support.auth import TableAuthenticator

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PERIOD = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
OTHER = {"x-test-actor": "stranger"}
CHIEF = {"x-test-actor": "chief"}


@pytest.fixture(autouse=True)
def clock(db: Database) -> Iterator[FixedClock]:
    """Give the tests a fixed noon."""
    fixed = FixedClock(NOON)
    with use_clock(fixed):
        yield fixed


class TestListEvents:
    async def test_filters_and_pages(
        self, db: Database, actor: Actor, client: httpx.AsyncClient, clock: FixedClock
    ) -> None:
        study = uuid4()
        for number in range(5):
            clock.advance(1)
            await audit.record_read(db, actor, "archive.study_read", study, detail={"n": number})
        await audit.record_now(db, actor, "archive.study_refused", study)
        query: dict[str, str | int] = {
            "study_id": str(study),
            "action": "archive.*",
            "outcome": "success",
            "limit": 2,
        }
        seen: list[int] = []
        cursor: str | None = None
        for _ in range(3):
            page = (
                await client.get(
                    "/v1/audit/events", params=query | ({"cursor": cursor} if cursor else {})
                )
            ).json()
            seen += [e["detail"]["n"] for e in page["items"]]
            cursor = page["next"]
        assert seen == [4, 3, 2, 1, 0]
        assert cursor is None

    async def test_shows_nothing_to_other_organisations(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_read(db, actor, "archive.study_read", uuid4())
        query = {"action": "archive.*"}
        answer = await client.get("/v1/audit/events", params=query, headers=OTHER)
        assert answer.json()["items"] == []

    async def test_is_itself_recorded(self, client: httpx.AsyncClient) -> None:
        await client.get("/v1/audit/events", params={"outcome": "refused"})
        answer = await client.get("/v1/audit/events", params={"action": "audit.events_read"})
        assert {"outcome": "refused"} in [e["detail"] for e in answer.json()["items"]]

    async def test_needs_the_permission(
        self, client: httpx.AsyncClient, actor: Actor, authenticator: TableAuthenticator
    ) -> None:
        authenticator.actors["weak"] = Actor(actor.org_id, "weak", "user", frozenset({"a:read"}))
        answer = await client.get("/v1/audit/events", headers={"x-test-actor": "weak"})
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        "query",
        [
            {"cursor": "nonsense"},
            {"cursor": "WzEsMl0"},
            {"action": "a b"},
            {"subject": "a\x00b"},
            {"from": "2026-11-20T00:00:00"},
            {"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"},
            {"limit": 0},
            {"outcome": "maybe"},
        ],
    )
    async def test_refuses_bad_input(
        self, client: httpx.AsyncClient, query: dict[str, str | int]
    ) -> None:
        assert (await client.get("/v1/audit/events", params=query)).status_code == 422


class TestExportEvents:
    async def test_gives_csv_without_formulas_and_is_recorded(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_read(db, actor, "archive.study_read", "=HYPERLINK(1)")
        answer = await client.get("/v1/audit/events.csv", params={"action": "archive.*"})
        header, row = answer.text.strip().split("\r\n")
        assert header.startswith("id,at,category")
        assert ",'=HYPERLINK(1)," in row
        logged = await client.get("/v1/audit/events", params={"category": "export"})
        assert [e["action"] for e in logged.json()["items"]] == ["audit.log_exported"]


class TestViewers:
    async def test_tells_who_saw_a_study(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        study = uuid4()
        for _ in range(3):
            await audit.record_read(db, actor, "archive.study_read", study)
        answer = await client.get("/v1/audit/viewers", params={"study_id": str(study)})
        (viewer,) = answer.json()
        assert (viewer["actor_id"], viewer["accesses"]) == (actor.id, 3)

    async def test_who_took_it_away_saw_it_too_unless_one_kind_is_asked_for(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        study, taker = uuid4(), replace(actor, id="taker")
        await audit.record_read(db, actor, "archive.study_read", study)
        await audit.record_read(db, taker, "archive.study_exported", study)
        found = {}
        for category in (None, "access", "export"):
            query = {"study_id": str(study), **({"category": category} if category else {})}
            answer = await client.get("/v1/audit/viewers", params=query)
            found[category] = {viewer["actor_id"] for viewer in answer.json()}
        assert found == {None: {actor.id, "taker"}, "access": {actor.id}, "export": {"taker"}}

    async def test_needs_a_study_or_patient(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/v1/audit/viewers")).status_code == 422


class TestLogs:
    async def test_accesses_and_changes_are_apart(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_read(db, actor, "archive.study_read", uuid4())
        async with db.transaction() as session:
            await audit.record(
                session, actor, "spaces.space_changed", before={"a": 1}, after={"a": 2}
            )
        query = {"actor_id": actor.id}
        access = (await client.get("/v1/audit/access-log", params=query)).json()["items"]
        changes = (await client.get("/v1/audit/operation-log", params=query)).json()["items"]
        assert "archive.study_read" in {e["action"] for e in access}
        assert [(e["before"], e["after"]) for e in changes] == [({"a": 1}, {"a": 2})]


class TestSecurityEvents:
    async def test_lists_lock_outs_and_mass_exports(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_now(db, actor, "identity.locked_out", outcome="refused")
        await audit.record_now(db, actor, "archive.foreign_tenant")
        for _ in range(25):
            await audit.record_read(db, actor, "analysis.result_exported", uuid4())
        found = (await client.get("/v1/audit/security-events", params=PERIOD)).json()
        kinds = {(e["kind"], e["action"], e["count"]) for e in found}
        assert ("event", "identity.locked_out", 1) in kinds
        assert ("event", "archive.foreign_tenant", 1) in kinds
        assert ("mass-export", "export", 25) in kinds


class TestComplianceReport:
    async def test_counts_the_period_and_checks_the_log(
        self, db: Database, actor: Actor, client: httpx.AsyncClient, clock: FixedClock
    ) -> None:
        await audit.record_read(db, actor, "archive.study_read", uuid4(), patient_id=uuid4())
        await audit.record_now(db, actor, "archive.study_refused")
        clock.advance(timedelta(days=2).total_seconds())
        await audit.record_read(db, actor, "archive.study_read", uuid4())
        clock.advance(-timedelta(days=2).total_seconds())
        await audit.seal(db)
        report = (await client.get("/v1/audit/compliance-report", params=PERIOD)).json()
        assert report["refusals"] == 1
        assert report["patients"] == 1
        reads = [a for a in report["actions"] if a["action"] == "archive.study_read"]
        assert [a["count"] for a in reads] == [1]
        assert report["verification"]["ok"] is True

    async def test_counts_each_act_once(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        study = uuid4()
        for _ in range(3):
            await audit.record_pixels(db, actor, study, action="archive.study_exported")
            await audit.record_pixels(db, actor, study)
        await audit.flush(db)  # the closing rows with the counts of both windows
        report = (await client.get("/v1/audit/compliance-report", params=PERIOD)).json()
        counts = {a["action"]: a["count"] for a in report["actions"]}
        assert (report["exports"], counts["archive.pixels_read"]) == (1, 1)
        assert not [name for name in counts if name.endswith("_total")]
        viewers = await client.get("/v1/audit/viewers", params={"study_id": str(study)})
        assert [v["accesses"] for v in viewers.json()] == [2]  # a look and an export

    async def test_needs_a_period(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/v1/audit/compliance-report")).status_code == 422


class TestVerify:
    @pytest.fixture(autouse=True)
    def chief(self, actor: Actor, authenticator: TableAuthenticator) -> None:
        rights = frozenset({"*", "installation:admin"})
        authenticator.actors["chief"] = replace(actor, permissions=rights)

    async def test_tells_the_state_of_the_log(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_now(db, actor, "a.refused")
        await audit.seal(db)
        answer = (await client.get("/v1/audit/verify", params={"full": True}, headers=CHIEF)).json()
        assert (answer["ok"], answer["checked"], answer["anchored"]) == (True, 1, 1)

    async def test_tells_an_organisation_no_counts(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        await audit.record_now(db, actor, "a.refused")
        await audit.seal(db)
        answer = await client.get("/v1/audit/verify")
        told = {k: v for k, v in answer.json().items() if v not in (None, [], 0.0)}
        assert told == {"ok": True, "message": "no event was changed"}
        report = (await client.get("/v1/audit/compliance-report", params=PERIOD)).json()
        assert report["verification"] == answer.json()

    async def test_a_full_check_needs_the_installations_administrator(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/v1/audit/verify", params={"full": True})
        assert answer.status_code == 403

    async def test_is_itself_recorded(self, client: httpx.AsyncClient) -> None:
        await client.get("/v1/audit/verify")
        answer = await client.get("/v1/audit/events", params={"action": "audit.log_verified"})
        assert [e["detail"] for e in answer.json()["items"]] == [{"full": False}]


class TestProve:
    @pytest.mark.parametrize("count", [1, 7, 700])
    async def test_proof_holds_without_the_server(
        self, db: Database, actor: Actor, client: httpx.AsyncClient, count: int
    ) -> None:
        rows = [audit.row_values(actor, audit.Act("a.done", uuid4())) for _ in range(count)]
        async with db.transaction() as session:
            await audit.record_rows(session, rows)
        await audit.seal(db)
        for row in {0: rows[0], 1: rows[count // 2], 2: rows[-1]}.values():
            proof = (await client.get(f"/v1/audit/proof/{row['id']}")).json()
            leaf = leaf_hash(proof["entry"].encode())
            path = [bytes.fromhex(step) for step in proof["path"]]
            root = bytes.fromhex(proof["root"])
            assert proof["tree_size"] == count
            assert verify_inclusion(leaf, proof["leaf_index"], count, path, root)
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(proof["public_key"]))
            key.verify(bytes.fromhex(proof["signature"]), proof["signed"].encode())
            assert proof["root"] in proof["signed"]

    async def test_is_itself_recorded(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        row = audit.row_values(actor, audit.Act("a.done"))
        async with db.transaction() as session:
            await audit.record_rows(session, [row])
        await audit.seal(db)
        await client.get(f"/v1/audit/proof/{row['id']}")
        answer = await client.get("/v1/audit/events", params={"action": "audit.proof_read"})
        assert [e["subject"] for e in answer.json()["items"]] == [str(row["id"])]

    async def test_waits_for_the_sealer(
        self, db: Database, actor: Actor, client: httpx.AsyncClient
    ) -> None:
        row = audit.row_values(actor, audit.Act("a.done"))
        async with db.transaction() as session:
            await audit.record_rows(session, [row])
        assert (await client.get(f"/v1/audit/proof/{row['id']}")).status_code == 409
        answer = await client.get(f"/v1/audit/proof/{row['id']}", headers=OTHER)
        assert answer.status_code == 404
