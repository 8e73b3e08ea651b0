# SPDX-License-Identifier: Apache-2.0
"""A database administrator changes the log by SQL; every change is found."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from healthvision.domains.audit import repository
from healthvision.domains.audit import service as audit
from healthvision.domains.audit.chain import GENESIS, entry_of, link
from healthvision.domains.audit.errors import AuditTampered, AuditUnavailable
from healthvision.domains.audit.keys import anchors_of
from healthvision.domains.audit.merkle import Frontier, leaf_hash
from healthvision.domains.audit.tables import AuditEvent
from healthvision.kernel.clock import monotonic
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

ROWS = 1000


async def fill(db: Database, actor: Actor, count: int = ROWS) -> None:
    rows = [
        audit.row_values(actor, audit.Act("archive.read", uuid4(), detail={"n": n, "名": "肺"}))
        for n in range(count)
    ]
    async with db.transaction() as session:
        await audit.record_rows(session, rows)


async def sealed_log(db: Database, actor: Actor) -> None:
    await fill(db, actor, 400)
    assert await audit.seal(db) == 400
    await fill(db, actor, ROWS - 400)
    assert await audit.seal(db) == ROWS - 400


async def sql(db: Database, *statements: str) -> None:
    async with db.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))


async def rewrite_everything(db: Database) -> None:
    """Recompute chain, state and tree over the rows as they are now, as an insider could."""
    async with db.transaction() as session:
        rows = await repository.sealed_between(session, 0, ROWS)
        chain, frontier, sealed = GENESIS, Frontier(), []
        for row in rows:
            entry = entry_of(row[0], row[2:])
            chain = link(chain, entry)
            frontier.append(leaf_hash(entry))
            sealed.append(repository.Sealed(row[2], row[0], chain))
        await repository.mark_sealed(session, sealed)
        state = await repository.locked_state(session)
        state.chain, state.frontier = chain, b"".join(frontier.hashes)
        values = {"root": frontier.root(), "chain": chain, "size": len(rows)}
        change = "UPDATE audit_heads SET root = :root, chain = :chain WHERE size = :size"
        await session.execute(text(change), values)


class TestSeal:
    async def test_gives_every_row_a_place_and_publishes_the_head(
        self, db: Database, actor: Actor
    ) -> None:
        await sealed_log(db, actor)
        heads = anchors_of(db).all()
        assert [h.size for h in heads] == [400, 1000]
        report = await audit.verify(db)
        assert (report.ok, report.checked, report.unsealed) == (True, ROWS, 0)
        assert report.anchored == ROWS
        assert report.root == heads[-1].root.hex()

    async def test_takes_rows_that_were_committed_late(self, db: Database, actor: Actor) -> None:
        early = audit.row_values(actor, audit.Act("late.commit"))
        await fill(db, actor, 5)
        assert await audit.seal(db) == 5
        async with db.transaction() as session:
            await session.execute(insert(AuditEvent), [early])
        assert await audit.seal(db) == 1
        assert (await audit.verify(db)).ok

    async def test_goes_on_after_dying_between_commit_and_publishing(
        self, db: Database, actor: Actor
    ) -> None:
        await fill(db, actor, 10)
        assert await audit.seal_batch(db, 4) == 4
        report = await audit.verify(db)
        assert (report.ok, report.anchored, report.unsealed) == (True, 0, 6)
        assert await audit.seal(db) == 6
        assert [h.size for h in anchors_of(db).all()] == [4, 10]
        assert (await audit.verify(db)).ok

    async def test_publishes_what_is_missing_when_nothing_is_new(
        self, db: Database, actor: Actor
    ) -> None:
        await fill(db, actor, 3)
        await audit.seal_batch(db, 10)
        assert await audit.seal(db) == 0
        assert [h.size for h in anchors_of(db).all()] == [3]

    async def test_loses_nothing_when_its_transaction_dies(
        self, db: Database, actor: Actor
    ) -> None:
        await fill(db, actor, 10)
        await sql(db, "ALTER TABLE audit_heads RENAME TO audit_heads_gone")
        with pytest.raises(Exception, match="audit_heads"):
            await audit.seal(db)
        await sql(db, "ALTER TABLE audit_heads_gone RENAME TO audit_heads")
        assert await audit.seal(db) == 10
        assert (await audit.verify(db)).ok

    async def test_says_when_the_head_cannot_be_published(
        self, db: Database, actor: Actor, tmp_path: Path
    ) -> None:
        (tmp_path / "anchor").write_text("a file where the folder should be")
        await fill(db, actor, 2)
        with pytest.raises(AuditUnavailable, match="cannot be published"):
            await audit.seal(db)

    async def test_refuses_to_continue_a_rewritten_log(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        await sql(db, "UPDATE audit_events SET actor_id = 'nobody' WHERE sequence = 7")
        await rewrite_everything(db)
        await fill(db, actor, 1)
        with pytest.raises(AuditTampered):
            await audit.seal(db)


class TestVerify:
    async def test_of_an_empty_log_is_good(self, db: Database) -> None:
        report = await audit.verify(db)
        assert (report.ok, report.sealed, report.first_bad) == (True, 0, None)

    @pytest.mark.parametrize("column", ["action", "actor_id", "outcome", "detail", "subject"])
    async def test_finds_an_edit(self, db: Database, actor: Actor, column: str) -> None:
        await sealed_log(db, actor)
        await sql(db, f"UPDATE audit_events SET {column} = 'x' WHERE sequence = 500")
        report = await audit.verify(db)
        assert (report.ok, report.kind, report.first_bad) == (False, "edit", 500)

    async def test_finds_a_changed_time(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        await sql(db, "UPDATE audit_events SET at_us = at_us + 1 WHERE sequence = 1000")
        report = await audit.verify(db)
        assert (report.kind, report.first_bad) == ("edit", 1000)

    async def test_finds_a_deletion(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        await sql(db, "DELETE FROM audit_events WHERE sequence = 300")
        report = await audit.verify(db)
        assert (report.ok, report.kind, report.first_bad) == (False, "deletion", 300)

    async def test_finds_a_deletion_that_was_renumbered(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        await sql(
            db,
            "DELETE FROM audit_events WHERE sequence = 300",
            "UPDATE audit_events SET sequence = -sequence WHERE sequence > 300",
            "UPDATE audit_events SET sequence = -sequence - 1 WHERE sequence < 0",
        )
        report = await audit.verify(db)
        assert (report.ok, report.first_bad) == (False, 300)

    @pytest.mark.parametrize("other", [21, 700])
    async def test_finds_a_reorder(self, db: Database, actor: Actor, other: int) -> None:
        await sealed_log(db, actor)
        await sql(
            db,
            "UPDATE audit_events SET sequence = 0 WHERE sequence = 20",
            f"UPDATE audit_events SET sequence = 20 WHERE sequence = {other}",
            f"UPDATE audit_events SET sequence = {other} WHERE sequence = 0",
        )
        report = await audit.verify(db)
        assert (report.ok, report.kind, report.first_bad) == (False, "reorder", 20)

    @pytest.mark.parametrize("keep", [0, 399, 400, 999])
    async def test_finds_a_cut_tail(self, db: Database, actor: Actor, keep: int) -> None:
        await sealed_log(db, actor)
        await sql(
            db,
            f"DELETE FROM audit_events WHERE sequence > {keep}",
            f"DELETE FROM audit_heads WHERE size > {keep}",
        )
        report = await audit.verify(db)
        assert (report.ok, report.kind, report.first_bad) == (False, "tail-cut", keep + 1)

    async def test_finds_a_chain_rewritten_with_new_hashes(
        self, db: Database, actor: Actor
    ) -> None:
        await sealed_log(db, actor)
        await sql(db, "UPDATE audit_events SET actor_id = 'nobody' WHERE sequence = 500")
        await rewrite_everything(db)
        report = await audit.verify(db)
        assert (report.ok, report.kind) == (False, "rewritten")

    async def test_finds_a_rewritten_chain_with_no_anchor_file(
        self, db: Database, actor: Actor
    ) -> None:
        await sealed_log(db, actor)
        anchors_of(db).retire("lost")
        await sql(db, "UPDATE audit_events SET actor_id = 'nobody' WHERE sequence = 500")
        await rewrite_everything(db)
        assert not (await audit.verify(db)).ok

    async def test_finds_a_log_without_any_signed_head(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        anchors_of(db).retire("lost")
        await sql(db, "DELETE FROM audit_heads")
        assert (await audit.verify(db)).kind == "anchor-missing"

    async def test_finds_a_forged_head_in_the_anchor_file(
        self, db: Database, actor: Actor, tmp_path: Path
    ) -> None:
        await sealed_log(db, actor)
        (path,) = (tmp_path / "anchor").glob("*.jsonl")
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], lines[1].replace('"size": 1000', '"size": 900')]))
        assert (await audit.verify(db)).kind == "signature"

    async def test_of_the_newest_part_starts_in_the_middle(
        self, db: Database, actor: Actor
    ) -> None:
        await sealed_log(db, actor)
        assert (await audit.verify(db, after=600)).checked == 400
        await sql(db, "UPDATE audit_events SET action = 'x' WHERE sequence = 601")
        assert (await audit.verify(db, after=600)).first_bad == 601

    async def test_every_single_edit_of_many_is_found(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        for sequence in range(1, ROWS, 97):
            where = f"WHERE sequence = {sequence}"
            await sql(db, f"UPDATE audit_events SET action = action || '!' {where}")
            assert (await audit.verify(db)).first_bad == sequence
            await sql(db, f"UPDATE audit_events SET action = 'archive.read' {where}")
        assert (await audit.verify(db)).ok

    @pytest.mark.long
    async def test_checks_fifty_thousand_rows_a_second(self, db: Database, actor: Actor) -> None:
        await fill(db, actor, 50_000)
        while await audit.seal(db):
            pass
        started = monotonic()
        assert (await audit.verify(db)).checked == 50_000
        assert monotonic() - started < 20.0  # the aim is 1 s; test machines are shared


class TestRestartAnchors:
    async def test_lets_a_restored_log_go_on(self, db: Database, actor: Actor) -> None:
        await sealed_log(db, actor)
        await sql(
            db,
            "DELETE FROM audit_events WHERE sequence > 400",
            "DELETE FROM audit_heads WHERE size > 400",
        )
        assert not (await audit.verify(db)).ok
        head = await audit.restart_anchors(db)
        assert head is not None
        assert head.size == 400
        assert (await audit.verify(db)).ok
