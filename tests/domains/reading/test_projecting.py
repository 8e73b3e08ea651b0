# SPDX-License-Identifier: Apache-2.0
"""The worklist's row when several write it at once, or the study goes meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from healthvision.domains.archive import service as archive
from healthvision.domains.reading import projecting, worklist_rows
from healthvision.domains.reading.projecting import Seen
from healthvision.domains.reading.tables import WorklistRow
from healthvision.kernel.events import Stale
from tests.domains.reading.conftest import Clinic
from tests.support.queue import InPlaceQueue


async def look(clinic: Clinic, study_id: UUID) -> Seen:
    """Read as a delivery does first."""
    async with clinic.db.reading() as session:
        return await projecting.look(session, clinic.actor.org_id, study_id)


async def put(clinic: Clinic, study_id: UUID, seen: Seen) -> None:
    """Write as a delivery does then."""
    async with clinic.db.transaction() as session:
        await projecting.put(session, clinic.actor.org_id, study_id, seen)


async def row(clinic: Clinic, study_id: UUID) -> WorklistRow | None:
    """Return the row."""
    async with clinic.db.reading() as session:
        return await worklist_rows.find(session, clinic.actor.org_id, study_id)


async def delete(clinic: Clinic, study_id: UUID) -> None:
    """Delete a study; its delivery is done by hand."""
    async with clinic.db.transaction() as session:
        await archive.delete_study(session, clinic.actor, study_id)


async def delete_and_tell(clinic: Clinic, study_id: UUID) -> None:
    """Delete a study and deliver that to the worklist."""
    await delete(clinic, study_id)
    await put(clinic, study_id, await look(clinic, study_id))


async def purge(clinic: Clinic, study_id: UUID) -> None:
    """Delete a study and remove its row as the purge does."""
    await delete_and_tell(clinic, study_id)
    async with clinic.db.transaction() as session:
        await worklist_rows.remove(session, clinic.actor.org_id, study_id)


Meanwhile = Callable[[Clinic, UUID], Awaitable[None]]


async def other_delivery(clinic: Clinic, study_id: UUID) -> None:
    """Another delivery of the same study, from its first to its last step."""
    await put(clinic, study_id, await look(clinic, study_id))


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
class TestPut:
    async def _start(self, clinic: Clinic, *, there: bool) -> UUID:
        study_id = await clinic.bring("one")
        if there:
            await clinic.refresh(study_id)
        return study_id

    async def test_writes_what_was_seen(self, clinic: Clinic, there: bool) -> None:
        study_id = await self._start(clinic, there=there)
        await put(clinic, study_id, await look(clinic, study_id))
        found = await row(clinic, study_id)
        assert found is not None
        assert (found.gone, found.revision) == (False, 1 + there)
        assert len(await clinic.rows()) == 1

    @pytest.mark.parametrize("meanwhile", [other_delivery, delete_and_tell, purge])
    async def test_what_was_seen_before_another_wrote_is_stale(
        self, clinic: Clinic, there: bool, meanwhile: Meanwhile
    ) -> None:
        study_id = await self._start(clinic, there=there)
        seen = await look(clinic, study_id)
        await meanwhile(clinic, study_id)
        before = await row(clinic, study_id)
        with pytest.raises(Stale):
            await put(clinic, study_id, seen)
        after = await row(clinic, study_id)
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert (before.gone, before.revision) == (after.gone, after.revision)

    async def test_a_deletion_nobody_was_told_of_yet_wins_in_the_end(
        self, clinic: Clinic, there: bool
    ) -> None:
        study_id = await self._start(clinic, there=there)
        seen = await look(clinic, study_id)
        await delete(clinic, study_id)
        gone = await look(clinic, study_id)
        if there:  # the first writes a row that lives; whoever saw the deletion must look again
            await put(clinic, study_id, seen)
            with pytest.raises(Stale):
                await put(clinic, study_id, gone)
            await put(clinic, study_id, await look(clinic, study_id))
            found = await row(clinic, study_id)
            assert found is not None
            assert found.gone
        else:
            with pytest.raises(Stale):
                await put(clinic, study_id, seen)
            await put(clinic, study_id, gone)
            assert await row(clinic, study_id) is None
        assert await clinic.rows() == []


class TestAtOnce:
    async def test_of_two_who_write_a_new_row_at_once_one_looks_again(self, clinic: Clinic) -> None:
        study_id = await clinic.bring("one")
        seen = await look(clinic, study_id)
        async with clinic.db.transaction() as session:
            await projecting.put(session, clinic.actor.org_id, study_id, seen)
            other = asyncio.create_task(put(clinic, study_id, seen))
            done, _ = await asyncio.wait({other}, timeout=0.3)
            assert not done  # it waits for the first, however long that takes
        with pytest.raises(Stale):
            await other
        found = await row(clinic, study_id)
        assert found is not None
        assert found.revision == 1


class TestCorrected:
    async def test_corrections_and_rejections_reach_the_worklist(
        self, clinic: Clinic, queue: InPlaceQueue
    ) -> None:
        study_id = await clinic.study()
        why = {"reason": "the wrong one"}
        edited = {"description": "Thorax, corrected", **why}
        await clinic.ask("POST", f"/v1/studies/{study_id}/edit", edited, status=201)
        await queue.drain(clinic.db)
        (shown,) = await clinic.rows()
        assert shown["description"] == "Thorax, corrected"
        body = {"code": "quality", **why}
        made = await clinic.ask("POST", f"/v1/studies/{study_id}/reject", body, status=201)
        await queue.drain(clinic.db)
        assert await clinic.rows() == []
        await clinic.ask("POST", f"/v1/corrections/{made.json()['id']}/undo", why)
        await queue.drain(clinic.db)
        assert len(await clinic.rows()) == 1
