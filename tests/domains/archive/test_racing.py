# SPDX-License-Identifier: Apache-2.0
"""Many senders at once, leftovers of crashes, and uploads that pass us by."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from sqlalchemy import select

from healthvision.domains.archive import service
from healthvision.domains.archive.schemas import ArchiveQuery
from healthvision.domains.archive.tables import Instance, Series
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.domains.storage import service as storage
from healthvision.domains.storage.settings import StoreConfig
from healthvision.domains.storage.vault import Vault, open_store
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.domains.archive.conftest import Send
from tests.factories.dicom import ct_bytes, ct_series
from tests.support.queue import InPlaceQueue


class TestReceiveInParallel:
    async def test_each_object_is_kept_once_and_counted_once(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        series = ct_series(6)
        batches = [series, list(reversed(series)), series[:3], series[3:]]
        answers = await asyncio.gather(*(send(b) for b in batches))
        outcomes = [a.outcome for group in answers for a in group]
        assert sorted(outcomes) == ["duplicate"] * 12 + ["stored"] * 6
        async with db.reading() as session:
            found = await service.find_studies(session, actor, "default", ArchiveQuery())
            series_found = await service.find_series(session, actor, "default", ArchiveQuery())
            items = await service.find_instances(
                session, actor, "default", ArchiveQuery(limit=4, with_total=True)
            )
            rest = await service.find_instances(
                session, actor, "default", ArchiveQuery(limit=4, cursor=items.next)
            )
        assert found.items[0].json["00201208"]["Value"] == [6]
        assert series_found.items[0].json["00201209"]["Value"] == [6]
        assert items.total == 6
        numbers = [i.json["00200013"]["Value"][0] for i in (*items.items, *rest.items)]
        assert numbers == [1, 2, 3, 4, 5, 6]
        async with db.reading() as session:
            rows = (await session.scalars(select(Instance))).all()
        assert len({(r.object_key, r.offset) for r in rows}) == len(rows) == 6
        async with db.reading() as session:
            (kept,) = (await session.scalars(select(Series))).all()
        assert (kept.unsealed, kept.instance_count) == (6, 6)


class TestSweepOrphans:
    async def test_only_objects_without_rows_go(
        self, db: Database, actor: Actor, send: Send
    ) -> None:
        data = ct_bytes()
        (answer,) = await send([data])
        await storage.put(db, actor.org_id, f"objects/{actor.org_id}/00/orphan/1", b"left behind")
        assert await service.sweep_orphans(db) == 0  # it may still be in use
        assert await service.sweep_orphans(db, grace=timedelta(seconds=-5)) == 1
        assert [o async for o in storage.list_objects(db, f"objects/{actor.org_id}")] == []
        async with db.reading() as session:
            (ref,) = await service.locate(session, actor, "default", answer.study_uid)
        assert await service.read_bytes(db, ref) == data


@pytest.fixture
def bucket(org_id: UUID) -> Iterator[StoreConfig]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/bucket", timeout=60)
    yield StoreConfig(
        url=f"s3://bucket/{org_id}",
        s3_endpoint=f"http://{host}:{port}",
        s3_access_key_id=SecretStr("key"),
        s3_secret_access_key=SecretStr("secret"),
    )
    server.stop()


class TestUploadToS3:
    async def test_bytes_go_to_the_server_itself_and_the_staged_ones_vanish(
        self,
        db: Database,
        actor: Actor,
        core: CoreSettings,
        client: httpx.AsyncClient,
        queue: InPlaceQueue,
        space: SpaceRead,
        bucket: StoreConfig,
    ) -> None:
        vault = db.resources.get(Vault)
        vault.stores["main"] = store = open_store("main", bucket, core.data_dir)
        data = ct_bytes()
        body = {"filename": "one.dcm", "size": len(data)}
        upload = (await client.post("/v1/uploads", json=body)).json()
        (part,) = upload["parts"]
        assert part["url"].startswith(bucket.s3_endpoint)
        async with httpx.AsyncClient(timeout=60) as outside:
            sent = await outside.put(part["url"], content=data, headers=part["headers"])
        assert sent.status_code == 200
        done = await client.post(f"/v1/uploads/{upload['id']}/complete", json={})
        assert done.status_code == 202
        await queue.drain(db)
        found = (await client.get(f"/v1/uploads/{upload['id']}")).json()
        assert (found["state"], found["stored"]) == ("done", 1)
        assert [o.key async for o in store.list("")] == []  # the staged bytes are gone
        await service.seal_study(db, actor.org_id, UUID(found["studies"][0]))
        keys = [o.key async for o in store.list("")]
        assert [k.split("/")[0] for k in keys] == ["series"]
        raw = b"".join([p async for p in store.get(keys[0])])
        assert b"XiaoDong" not in raw
