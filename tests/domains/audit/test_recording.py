# SPDX-License-Identifier: Apache-2.0
"""Writing rows: with the act, in groups before a read, and not at all when it cannot be."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, text

from healthvision.domains.audit import service as audit
from healthvision.domains.audit.errors import AuditUnavailable
from healthvision.domains.audit.schemas import AuditEventRead, EventFilter, Outcome
from healthvision.domains.audit.settings import AuditSettings
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.audit.writer import AuditWriter
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Busy
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import request_id_var
from tests.support.auth import TableAuthenticator


async def events(db: Database, actor: Actor) -> list[AuditEventRead]:
    async with db.reading() as session:
        return (await audit.list_events(session, actor, EventFilter(), limit=1000)).items


class TestRecord:
    async def test_is_kept_with_the_act(self, db: Database, actor: Actor) -> None:
        subject, patient, space = uuid4(), uuid4(), uuid4()
        async with db.transaction() as session:
            await audit.record(
                session,
                actor,
                "spaces.space_changed",
                subject,
                kind="space",
                patient_id=patient,
                space_id=space,
                before={"quota": 1},
                after={"quota": 2.5, "tags": {"肺"}},
                detail={"why": uuid4()},
            )
        (found,) = await events(db, actor)
        assert (found.subject, found.patient_id, found.space_id) == (str(subject), patient, space)
        assert (found.user_id, found.actor_kind, found.category) == (
            actor.user_id,
            "user",
            "change",
        )
        assert (found.before, found.after) == ({"quota": 1}, {"quota": 2.5, "tags": ["肺"]})
        assert found.at.tzinfo is not None
        assert found.sequence is None

    async def test_goes_when_the_act_is_rolled_back(self, db: Database, actor: Actor) -> None:
        with pytest.raises(ZeroDivisionError):
            async with db.transaction() as session:
                await audit.record(session, actor, "spaces.space_changed")
                await session.flush()
                raise ZeroDivisionError
        assert await events(db, actor) == []

    async def test_refuses_a_session_that_keeps_nothing(self, db: Database, actor: Actor) -> None:
        async with db.reading() as session:
            with pytest.raises(RuntimeError, match="record_read"):
                await audit.record(session, actor, "spaces.space_read")

    async def test_takes_the_request_id_of_the_call(self, db: Database, actor: Actor) -> None:
        token = request_id_var.set("request-0001")
        async with db.transaction() as session:
            await audit.record(session, actor, "a.done", "text\x00with\nbreaks" + "x" * 500)
        request_id_var.reset(token)
        (found,) = await events(db, actor)
        assert found.request_id == "request-0001"
        assert found.subject is not None
        assert found.subject.startswith("textwithbreaksxxx")
        assert len(found.subject) == 200

    async def test_hides_events_from_other_organisations(
        self, db: Database, actor: Actor, stranger: Actor
    ) -> None:
        await audit.record_now(db, actor, "a.refused")
        assert len(await events(db, actor)) == 1
        assert await events(db, stranger) == []


class TestRecordRows:
    async def test_inserts_many_at_once(self, db: Database, actor: Actor) -> None:
        rows = [audit.row_values(actor, audit.Act("archive.received", uuid4())) for _ in range(50)]
        async with db.transaction() as session:
            await audit.record_rows(session, rows)
            await audit.record_rows(session, [])
        assert len(await events(db, actor)) == 50


class TestRecordNow:
    async def test_keeps_a_refusal(self, db: Database, actor: Actor) -> None:
        await audit.record_now(db, actor, "archive.foreign_tenant", uuid4())
        (found,) = await events(db, actor)
        assert (found.outcome, found.category) == ("refused", "security")


class TestCategoryOf:
    @pytest.mark.parametrize(
        ("action", "outcome", "category"),
        [
            ("identity.account_locked", "success", "security"),
            ("identity.refresh_token_reused", "refused", "security"),
            ("identity.signed_in", "refused", "security"),
            ("identity.signed_in", "success", "change"),
            ("archive.foreign_tenant", "refused", "security"),
            ("analysis.result_exported", "success", "export"),
            ("spaces.space_changed", "success", "change"),
        ],
    )
    async def test_puts_acts_into_their_log(
        self, db: Database, actor: Actor, action: str, outcome: Outcome, category: str
    ) -> None:
        await audit.record_now(db, actor, action, outcome=outcome)
        assert [e.category for e in await events(db, actor)] == [category]


class TestRecordRead:
    async def test_groups_concurrent_callers(self, db: Database, actor: Actor) -> None:
        reads = [audit.record_read(db, actor, "archive.read", uuid4()) for _ in range(500)]
        await asyncio.gather(*reads)
        found = await events(db, actor)
        assert len(found) == 500
        assert {e.category for e in found} == {"access"}
        assert audit.writer_of(db).commits <= 5

    async def test_is_busy_when_the_row_cannot_be_written(self, db: Database, actor: Actor) -> None:
        async with db.transaction() as session:
            await session.execute(text("ALTER TABLE audit_events RENAME TO audit_gone"))
        with pytest.raises(AuditUnavailable) as caught:
            await audit.record_read(db, actor, "archive.read", uuid4())
        assert isinstance(caught.value, Busy)
        assert caught.value.status == 503
        async with db.transaction() as session:
            await session.execute(text("ALTER TABLE audit_gone RENAME TO audit_events"))
        await audit.record_read(db, actor, "archive.read", uuid4())
        assert len(await events(db, actor)) == 1

    async def test_is_busy_when_writing_takes_too_long(self, db: Database, actor: Actor) -> None:
        settings = AuditSettings(write_timeout_s=0.2)
        db.resources.put(AuditWriter, AuditWriter(db, settings))
        async with db.transaction() as session:
            lock = "SELECT 1" if db.is_sqlite else "LOCK TABLE audit_events IN EXCLUSIVE MODE"
            await session.execute(text(lock))
            with pytest.raises(AuditUnavailable, match="in time"):
                await audit.record_read(db, actor, "archive.read", uuid4())


class TestRecordPixels:
    async def test_writes_before_the_first_byte_and_counts_the_rest(
        self, db: Database, actor: Actor
    ) -> None:
        study = uuid4()
        await audit.record_pixels(db, actor, study, size=100)
        (opening,) = await events(db, actor)
        assert (opening.action, opening.subject) == ("archive.pixels_read", str(study))
        for _ in range(299):
            await audit.record_pixels(db, actor, study, size=100)
        assert len(await events(db, actor)) == 1
        await audit.flush(db)
        closing, _ = await events(db, actor)
        assert closing.action == "archive.pixels_read_total"
        assert closing.detail["reads"] == 300
        assert closing.detail["bytes"] == 30_000
        assert closing.detail["window"] == opening.id.hex

    async def test_opens_one_window_for_concurrent_reads(self, db: Database, actor: Actor) -> None:
        study = uuid4()
        await asyncio.gather(*(audit.record_pixels(db, actor, study) for _ in range(50)))
        assert len(await events(db, actor)) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"address": "6.6.6.6"},
            {"on_behalf_of": "user:other"},
            {"session_id": "key:other"},
        ],
    )
    async def test_another_caller_opens_a_window_of_its_own(
        self, db: Database, actor: Actor, change: dict[str, str]
    ) -> None:
        study = uuid4()
        await audit.record_pixels(db, actor, study)
        await audit.record_pixels(db, replace(actor, **change), study)  # type: ignore[arg-type]
        assert len(await events(db, actor)) == 2

    async def test_another_action_or_space_opens_a_window_of_its_own(
        self, db: Database, actor: Actor
    ) -> None:
        study = uuid4()
        await audit.record_pixels(db, actor, study)
        await audit.record_pixels(db, actor, study, action="analysis.images_read")
        await audit.record_pixels(db, actor, study, space_id=uuid4())
        assert len(await events(db, actor)) == 3

    async def test_closes_the_window_by_itself(self, db: Database, actor: Actor) -> None:
        db.resources.put(AuditWriter, AuditWriter(db, AuditSettings(pixel_window_s=0.2)))
        study = uuid4()
        for _ in range(3):
            await audit.record_pixels(db, actor, study)
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(await events(db, actor)) == 2:
                break
        assert (await events(db, actor))[0].detail["reads"] == 3
        await audit.record_pixels(db, actor, study)
        assert len(await events(db, actor)) == 3

    async def test_is_busy_for_every_reader_when_it_cannot_be_written(
        self, db: Database, actor: Actor
    ) -> None:
        async with db.transaction() as session:
            await session.execute(text("ALTER TABLE audit_events RENAME TO audit_gone"))
        study = uuid4()
        reads = [audit.record_pixels(db, actor, study) for _ in range(3)]
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(r) for r in results] == [AuditUnavailable] * 3
        async with db.transaction() as session:
            await session.execute(text("ALTER TABLE audit_gone RENAME TO audit_events"))
        await audit.record_pixels(db, actor, study)
        assert len(await events(db, actor)) == 1


class TestRefusals:
    async def test_a_missing_right_is_recorded(
        self,
        db: Database,
        actor: Actor,
        client: httpx.AsyncClient,
        authenticator: TableAuthenticator,
    ) -> None:
        authenticator.actors["weak"] = replace(actor, permissions=frozenset())
        answer = await client.get("/v1/audit/events", headers={"x-test-actor": "weak"})
        assert answer.status_code == 403
        (row,) = await _rows(db, "access.refused")
        assert (row.outcome, row.actor_id, row.org_id) == ("refused", actor.id, actor.org_id)

    async def test_an_attempt_on_another_organisation_is_a_security_event(
        self, db: Database, actor: Actor, stranger: Actor, client: httpx.AsyncClient
    ) -> None:
        theirs, nobodys = uuid4(), uuid4()
        await audit.record_now(db, stranger, "x.thing_made", theirs, outcome="success")
        for wanted in (theirs, nobodys):
            answer = await client.get(f"/v1/audit/proof/{wanted}")
            assert answer.status_code == 404
        (row,) = await _rows(db, "access.foreign_tenant")
        assert (row.category, row.subject, row.org_id) == ("security", str(theirs), actor.org_id)
        assert [r.subject for r in await _rows(db, "access.not_found")] == [str(nobodys)]

    async def test_nothing_is_answered_when_it_cannot_be_recorded(
        self,
        db: Database,
        actor: Actor,
        client: httpx.AsyncClient,
        authenticator: TableAuthenticator,
    ) -> None:
        authenticator.actors["weak"] = replace(actor, permissions=frozenset())
        async with db.transaction() as session:
            await session.execute(text("alter table audit_events rename to hidden_events"))
        answer = await client.get("/v1/audit/events", headers={"x-test-actor": "weak"})
        assert answer.status_code == 503


class TestManyReaders:
    async def test_readers_that_hold_every_connection_still_get_their_audit_rows(
        self, db: Database, actor: Actor
    ) -> None:
        async def read() -> None:
            async with db.reading() as session:
                await session.execute(text("select 1"))
                await audit.record_read(db, actor, "archive.study_read", uuid4(), kind="study")

        await asyncio.gather(*(read() for _ in range(40)))  # the pool has 5, and 5 more
        assert len(await _rows(db, "archive.study_read")) == 40


async def _rows(db: Database, action: str) -> Sequence[AuditEvent]:
    async with db.reading() as session:
        found = select(AuditEvent).where(AuditEvent.action == action)
        return (await session.scalars(found)).all()
