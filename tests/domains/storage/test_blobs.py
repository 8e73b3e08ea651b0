# SPDX-License-Identifier: Apache-2.0
"""Sealed blobs inside objects: every range, many at once, every changed bit."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from healthvision.domains.storage import service
from healthvision.domains.storage.ports import Blob
from healthvision.domains.storage.remote import memory_store
from healthvision.domains.storage.vault import Vault
from healthvision.kernel import crypto
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Database

SIZES = (0, 1, 65_536, 65_537, 200_000, 9_000_000)
chance = random.Random(7)
TEXTS = [chance.randbytes(n) for n in SIZES]


async def key_of(db: Database, org_id: UUID) -> tuple[UUID, bytes]:
    stored = await service.put(db, org_id, "objects/first", b"x")
    assert stored.key_id is not None
    return stored.key_id, db.resources.get(Vault).keys[stored.key_id]


async def packed(
    db: Database, org_id: UUID, texts: Sequence[bytes], *, encrypt: bool = True
) -> list[Blob]:
    """Put an object that begins with other bytes and holds the texts as blobs."""
    key_id, key = await key_of(db, org_id)
    blobs, whole = [], bytearray(b"0123456789")
    for number, text in enumerate(texts):
        context = f"context-{number}".encode()
        blobs.append(
            Blob(
                "main",
                "series/x",
                key_id if encrypt else None,
                len(whole),
                len(text),
                context,
                hashlib.sha256(text).hexdigest(),
            )
        )
        whole += crypto.seal(key, key_id, context, text) if encrypt else text
    await service.put_sealed(db, "main", "series/x", [bytes(whole)])
    return blobs


@pytest.fixture(params=["folder", "memory"])
def kind(request: pytest.FixtureRequest, db: Database) -> str:
    if request.param == "memory":
        db.resources.get(Vault).stores["main"] = memory_store("main")
    return str(request.param)


class TestReadBlob:
    @pytest.mark.parametrize("encrypt", [True, False])
    async def test_gives_any_range(
        self, db: Database, org_id: UUID, kind: str, encrypt: bool
    ) -> None:
        blobs = await packed(db, org_id, TEXTS, encrypt=encrypt)
        for blob, text in zip(blobs, TEXTS, strict=True):
            assert await service.read_blob(db, org_id, blob) == text
            for _ in range(6):
                start = chance.randrange(len(text) + 2)
                length = chance.choice([0, 1, 70_000, 5_000_000])
                expected = text[start : start + length]
                assert await service.read_blob(db, org_id, blob, start, length) == expected

    async def test_pieces_are_large_and_few(self, db: Database, org_id: UUID) -> None:
        blobs = await packed(db, org_id, TEXTS)
        pieces = [len(p) async for p in service.open_blob(db, org_id, blobs[-1])]
        assert pieces == [4 << 20, 4 << 20, 9_000_000 - (8 << 20)]

    async def test_another_context_or_key_opens_nothing(self, db: Database, org_id: UUID) -> None:
        (blob,) = await packed(db, org_id, [b"text"])
        with pytest.raises(Damaged):
            await service.read_blob(db, org_id, replace(blob, context=b"other"))
        with pytest.raises(Damaged):
            await service.read_blob(db, org_id, replace(blob, key_id=uuid4()))

    async def test_every_flipped_bit_is_found(self, db: Database, org_id: UUID) -> None:
        (blob,) = await packed(db, org_id, [b"ten bytes!"])
        store = db.resources.get(Vault).store("main")
        good = b"".join([p async for p in store.get("series/x")])
        for bit in range(blob.offset * 8, len(good) * 8):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            await store.put("series/x", [bytes(bad)])
            with pytest.raises(Damaged):
                await service.read_blob(db, org_id, blob)

    async def test_a_changed_plain_blob_is_found_by_a_whole_read(
        self, db: Database, org_id: UUID
    ) -> None:
        (blob,) = await packed(db, org_id, [b"text"], encrypt=False)
        with pytest.raises(Damaged):
            await service.read_blob(db, org_id, replace(blob, offset=blob.offset - 1))


class TestReadMany:
    @pytest.mark.parametrize("encrypt", [True, False])
    async def test_gives_all_in_order(
        self, db: Database, org_id: UUID, kind: str, encrypt: bool
    ) -> None:
        texts = [*TEXTS, *(chance.randbytes(1_000_000) for _ in range(12))]
        blobs = await packed(db, org_id, texts, encrypt=encrypt)
        for order in (list(range(len(texts))), [3, 1, 1, 5, 0]):
            found = [b""] * len(order)
            async for position, piece in service.read_many(db, org_id, [blobs[i] for i in order]):
                found[position] += piece
            assert found == [texts[i] for i in order]

    async def test_a_damaged_one_ends_it(self, db: Database, org_id: UUID) -> None:
        blobs = await packed(db, org_id, [b"one", b"two"])
        bad = replace(blobs[1], context=b"other")
        with pytest.raises(Damaged):
            assert [p async for p in service.read_many(db, org_id, [blobs[0], bad])]
