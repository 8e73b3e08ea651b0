# SPDX-License-Identifier: Apache-2.0
"""Events of restricted spaces reach only subscribers who may read there."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from healthvision.domains.archive import module as archive
from healthvision.domains.archive import service
from healthvision.domains.archive.events import StudyComplete, StudyDeleted
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import module as audit
from healthvision.domains.identity import module as identity_room
from healthvision.domains.identity import service as identity
from healthvision.domains.identity.schemas import ApiKeyCreate
from healthvision.domains.notify import module as notify_room
from healthvision.domains.notify import service as notify
from healthvision.domains.notify.channels import INBOX
from healthvision.domains.notify.hearing import allows
from healthvision.domains.notify.ports import News
from healthvision.domains.notify.schemas import SubscriptionCreate
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces_room
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import GrantCreate, SpaceCreate, SpaceRead
from healthvision.domains.storage import module as storage
from healthvision.kernel.db import Database
from healthvision.kernel.events import publish
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.factories.dicom import ct_bytes
from tests.support.queue import InPlaceQueue

RIGHTS = ["notify:write", "notify:read", "studies:read"]


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive, what tells of it, and who may come in."""
    rooms = (audit, identity_room, storage, notify_room, patients, spaces_room, archive)
    return [room.MODULE for room in rooms]


@pytest.fixture
async def closed(db: Database, actor: Actor, space: SpaceRead) -> SpaceRead:
    """A restricted space beside the default one."""
    async with db.transaction() as session:
        return await spaces.create(session, actor, SpaceCreate(slug="closed", restricted=True))


@pytest.fixture
async def program(db: Database, actor: Actor) -> Actor:
    """A program with a key: it may subscribe and read studies."""
    async with db.transaction() as session:
        wish = ApiKeyCreate(name="p", service=True, scopes=RIGHTS)
        made = await identity.create_api_key(session, actor, wish)
        found = await identity.standing(session, actor.org_id, str(made.key.id))
    assert found is not None and found.permissions == frozenset(RIGHTS)
    return found


async def _study(db: Database, actor: Actor, space: SpaceRead) -> UUID:
    (answer,) = await service.receive(
        db, actor, [Incoming(ct_bytes())], space_id=space.id, origin=Origin("dicomweb", "test")
    )
    assert answer.study_id is not None
    return answer.study_id


async def _grant(db: Database, actor: Actor, space: SpaceRead, program: Actor) -> None:
    async with db.transaction() as session:
        new = GrantCreate(kind="account", principal=program.id, right="read")
        await spaces.grant(session, actor, space.id, new)


def _complete(actor: Actor, space: SpaceRead) -> StudyComplete:
    return StudyComplete(
        org_id=actor.org_id,
        subject=uuid4(),
        space_id=space.id,
        origin="dicomweb",
        last_instance_at="2026-01-01T00:00:00Z",
        reason="quiet",
        generation=1,
    )


class TestDelivery:
    async def test_of_a_restricted_space_needs_its_makers_right_there(
        self,
        db: Database,
        queue: InPlaceQueue,
        actor: Actor,
        program: Actor,
        space: SpaceRead,
        closed: SpaceRead,
    ) -> None:
        reader = uuid4()
        async with db.transaction() as session:
            made = await notify.create(
                session,
                program,
                SubscriptionCreate(
                    name="all",
                    topics=["archive.study_*"],
                    channel=INBOX,
                    config={"user_ids": [str(reader)]},
                ),
            )

        async def heard(where: SpaceRead) -> int:
            async with db.transaction() as session:
                await publish(session, actor, _complete(actor, where))
            await queue.drain(db)
            async with db.reading() as session:
                page = await notify.list_deliveries(
                    session, program, made.id, state=None, cursor=None, limit=100
                )
            return len(page.items)

        assert await heard(closed) == 0
        assert await heard(space) == 1
        await _grant(db, actor, closed, program)
        assert await heard(closed) == 2
        async with db.transaction() as session:
            await identity.revoke_api_key(session, actor, UUID(program.id))
        assert await heard(closed) == 2


class TestMayHear:
    async def test_an_event_without_a_space_is_judged_by_its_study(
        self, db: Database, actor: Actor, program: Actor, space: SpaceRead, closed: SpaceRead
    ) -> None:
        hidden, open_ = await _study(db, actor, closed), uuid4()
        topic = StudyDeleted.topic

        async def hears(study: UUID) -> bool:
            async with db.reading() as session:
                news = News(topic, study, {})
                return await allows(session, actor.org_id, program.id, news)

        assert not await hears(hidden)
        assert not await hears(open_)  # nobody knows where it was
        async with db.transaction() as session:
            await service.add_to_space(session, actor, hidden, "default")
        assert await hears(hidden)

    async def test_events_of_no_study_and_no_space_are_for_all(
        self, db: Database, actor: Actor, program: Actor, closed: SpaceRead
    ) -> None:
        async with db.reading() as session:
            news = News("identity.user_disabled.v1", uuid4(), {})
            assert await allows(session, actor.org_id, program.id, news)
            news = News("spaces.space_created.v1", closed.id, {})
            assert not await allows(session, actor.org_id, program.id, news)
