# SPDX-License-Identifier: Apache-2.0
"""Bytes through the room: sealed, of one organisation, in ranges."""

from dataclasses import replace
from uuid import UUID

import pytest

from healthvision.domains.storage import service
from healthvision.domains.storage.vault import Vault
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor

DATA = bytes(range(256)) * 2000


async def read(db: Database, org_id: UUID, stored: object, *span: int) -> bytes:
    return b"".join([p async for p in service.read(db, org_id, stored, *span)])  # type: ignore[arg-type]


class TestPut:
    @pytest.mark.parametrize("encrypt", [True, False])
    async def test_is_read_back_in_any_range(
        self, db: Database, org_id: UUID, encrypt: bool
    ) -> None:
        vault = db.resources.get(Vault)
        vault.encrypt = encrypt
        stored = await service.put(db, org_id, "objects/x", DATA)
        raw = b"".join([p async for p in vault.store("main").get("objects/x")])
        assert (DATA[:64] in raw) != encrypt
        for span in ((), (0, 10), (65535, 2), (len(DATA) - 5, 50), (100_000, 200_000), (0, 0)):
            start, length = span or (0, len(DATA))
            assert await read(db, org_id, stored, *span) == DATA[start : start + length]

    async def test_a_changed_unsealed_object_is_found_by_a_whole_read(
        self, db: Database, org_id: UUID
    ) -> None:
        vault = db.resources.get(Vault)
        vault.encrypt = False
        stored = await service.put(db, org_id, "objects/x", DATA)
        await vault.store("main").put("objects/x", [DATA[:-1] + b"?"])
        with pytest.raises(Damaged):
            assert [p async for p in service.read_whole(db, org_id, stored)]

    async def test_an_object_put_under_another_name_is_not_opened(
        self, db: Database, org_id: UUID
    ) -> None:
        store = db.resources.get(Vault).store("main")
        stored = await service.put(db, org_id, "objects/x", DATA)
        raw = [p async for p in store.get("objects/x")]
        await store.put("objects/y", raw)
        with pytest.raises(Damaged):
            await read(db, org_id, replace(stored, key="objects/y"))

    async def test_another_organisation_has_another_key(
        self, db: Database, org_id: UUID, stranger: Actor
    ) -> None:
        mine = await service.put(db, org_id, "objects/x", DATA)
        other = await service.put(db, stranger.org_id, "objects/y", DATA)
        assert mine.key_id != other.key_id
        db.resources.get(Vault).keys.clear()
        with pytest.raises(Damaged):
            await read(db, stranger.org_id, mine)
        assert await read(db, org_id, mine) == DATA
