# SPDX-License-Identifier: Apache-2.0
"""The integration room over the archive, one stored study with outputs, and a courier to watch."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretStr

from healthvision.domains.archive import module as archive_module
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import Incoming, Origin
from healthvision.domains.audit import module as audit
from healthvision.domains.integration import module as integration
from healthvision.domains.integration.ports import Couriers, Parcel, PushFailed, Receipt, Way
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.formats.dicom.commitments import CommitmentReport, CommitmentRequest
from healthvision.formats.dicom.uids import derive_uid
from healthvision.kernel.db import Database, Session
from healthvision.kernel.module import Module
from healthvision.kernel.schemas import Input
from healthvision.kernel.security import Actor
from tests.formats.dicom.factories import series_of, volume
from tests.formats.dicom.test_outputs import Case
from tests.support.small_ct import small_ct

TASK = UUID("019a0000-0000-7000-8000-000000000001")
STUDY_UID = derive_uid("small", "one", "study")


@pytest.fixture
def modules() -> Sequence[Module]:
    """The room under test and those it stands on."""
    return [
        audit.MODULE,
        storage.MODULE,
        patients.MODULE,
        spaces.MODULE,
        archive_module.MODULE,
        integration.MODULE,
    ]


class FakeConfig(Input):
    """Settings with a secret."""

    host: str = "pacs"
    password: SecretStr = SecretStr("")


@dataclass
class FakeCourier:
    """Takes what it is told to take; ``down``: fails that often; ``after``: objects before that."""

    name: str = "fake"
    config: type[BaseModel] = FakeConfig
    down: int = 0
    after: int = 0
    refuses: set[str] = field(default_factory=set)
    reports: bool = False
    sent: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)
    asked: list[CommitmentRequest] = field(default_factory=list)

    async def check(self, session: Session, actor: Actor, config: FakeConfig) -> None:
        """Accept everything."""

    async def test(self, way: Way, config: FakeConfig) -> str:
        if self.down:
            raise PushFailed("it is down")
        return "hello"

    async def send(
        self, way: Way, config: FakeConfig, parcels: Sequence[Parcel]
    ) -> AsyncGenerator[Receipt, None]:
        self.passwords.append(config.password.get_secret_value())
        for number, parcel in enumerate(parcels):
            if self.down and number >= self.after:
                self.down -= 1
                raise PushFailed("it is down")
            data = b"".join([piece async for piece in parcel.read()])
            assert len(data) == parcel.size
            self.sent.append(parcel.sop_uid)
            self.bodies[parcel.sop_uid] = data
            taken = parcel.sop_uid not in self.refuses
            yield Receipt(parcel.sop_uid, taken, "" if taken else "C000")

    def titles(self, config: FakeConfig) -> tuple[str, str]:
        return "US", "PACS"

    async def ask(
        self, way: Way, config: FakeConfig, request: CommitmentRequest
    ) -> CommitmentReport | None:
        self.asked.append(request)
        if not self.reports:
            return None
        return CommitmentReport(request.transaction_uid, request.references)

    async def tell(self, way: Way, ours: str, peer: str, report: CommitmentReport) -> None:
        raise PushFailed("nobody is there")


@pytest.fixture
def courier(db: Database) -> FakeCourier:
    """The courier of kind 'fake'."""
    made = FakeCourier()
    couriers: Any = {"fake": made, "dicom": made}
    db.resources.put(Couriers, Couriers(couriers))
    return made


@pytest.fixture
async def space(db: Database, actor: Actor) -> SpaceRead:
    """The default space."""
    async with db.transaction() as session:
        return await ensure_default(session, actor)


@pytest.fixture
async def study(db: Database, actor: Actor, space: SpaceRead) -> UUID:
    """A stored study of six slices."""
    items = [Incoming(data) for data in small_ct()]
    origin = Origin("dicomweb", "test")
    await archive.receive(db, actor, items, space_id="default", origin=origin)
    async with db.reading() as session:
        return (await archive.get_study_by_uid(session, actor, "default", STUDY_UID)).id


@dataclass(frozen=True)
class Analysed:
    """A stored study with the outputs of one analysis."""

    study_id: UUID
    task_id: UUID
    outputs: dict[str, str]  # name -> SOP Instance UID
    images: list[str]


@pytest.fixture(scope="session")
def case() -> Case:
    """A series and what an analysis of it leaves."""
    made = Case(series_of(volume()))
    made.result = made.result.model_copy(update={"task_id": str(TASK)})
    return made


@pytest.fixture
async def analysed(db: Database, actor: Actor, space: SpaceRead, case: Case) -> Analysed:
    """The case in the archive: images from outside, outputs from us."""
    written = case.write("LABELMAP")
    images = [Incoming(data) for data in series_of(volume())]
    await archive.receive(db, actor, images, space_id="default", origin=Origin("dicomweb", "test"))
    made = [Incoming(o.data) for o in written.values()]
    own = Origin("healthvision", str(TASK))
    await archive.receive(db, Actor.system(actor.org_id), made, space_id="default", origin=own)
    async with db.reading() as session:
        uid = case.headers[0].study_uid
        found = await archive.get_study_by_uid(session, actor, "default", uid)
    names = {name: o.sop_uid for name, o in written.items()}
    return Analysed(found.id, TASK, names, [h.sop_uid for h in case.headers])
