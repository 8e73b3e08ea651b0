# SPDX-License-Identifier: Apache-2.0
"""Every kind of store keeps the same promises; S3 against a local server."""

import errno
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from healthvision.domains.storage.errors import ObjectExists, ObjectMissing, StoreUnavailable
from healthvision.domains.storage.folder import FolderStore
from healthvision.domains.storage.ports import ObjectStore
from healthvision.domains.storage.settings import StoreConfig
from healthvision.domains.storage.vault import open_store
from healthvision.kernel.errors import Invalid, OutOfSpace


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.put(f"{url}/bucket", timeout=60)
    yield url
    server.stop()


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3_endpoint")
        config = StoreConfig(
            url=f"s3://bucket/{tmp_path.name}",
            s3_endpoint=endpoint,
            s3_access_key_id=SecretStr("key"),
            s3_secret_access_key=SecretStr("secret"),
        )
        return open_store("main", config, tmp_path)
    url = f"file://{tmp_path}/store" if request.param == "file" else "memory://"
    return open_store("main", StoreConfig(url=url), tmp_path)


async def whole(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.get(key, start, end)])


async def pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for n in range(count):
        yield bytes([n % 256]) * size


class TestStore:
    async def test_what_is_put_is_got_listed_and_deleted(self, store: ObjectStore) -> None:
        assert await store.put("a/b/one", [b"hello ", b"world"]) == 11
        assert await whole(store, "a/b/one") == b"hello world"
        assert await whole(store, "a/b/one", 6, 9) == b"wor"
        assert (await store.head("a/b/one")).size == 11
        await store.put("a/c", [b""])
        assert sorted([o.key async for o in store.list("a/")]) == ["a/b/one", "a/c"]
        await store.delete("a/b/one")
        await store.delete("a/b/one")
        with pytest.raises(ObjectMissing):
            await whole(store, "a/b/one")

    async def test_a_long_stream_is_kept_whole(self, store: ObjectStore) -> None:
        assert await store.put("long", pieces(40, 1 << 19)) == 40 << 19
        assert (await store.head("long")).size == 40 << 19
        assert await whole(store, "long", (39 << 19) - 1, (39 << 19) + 1) == b"\x26\x27"

    async def test_nothing_is_replaced_when_told_so(self, store: ObjectStore) -> None:
        await store.put("once", [b"first"], replace=False)
        with pytest.raises(ObjectExists):
            await store.put("once", [b"second"], replace=False)
        assert await whole(store, "once") == b"first"

    @pytest.mark.parametrize("key", ["../up", "/etc", "a/../b", "a//b", ".tmp/x", "", "A"])
    async def test_harmful_keys_are_refused(self, store: ObjectStore, key: str) -> None:
        with pytest.raises(Invalid):
            await store.put(key, [b"x"])

    async def test_s3_urls_work_without_us(self, store: ObjectStore) -> None:
        url = await store.presign("PUT", "direct", expires_s=60)
        assert (url is not None) == store.signs_urls
        if url is not None:
            async with httpx.AsyncClient(timeout=60) as client:
                assert (await client.put(url, content=b"direct bytes")).status_code == 200
            assert await whole(store, "direct") == b"direct bytes"


class TestFolderStore:
    async def test_a_stream_that_breaks_leaves_nothing(self, tmp_path: Path) -> None:
        store = FolderStore("main", tmp_path)

        async def broken() -> AsyncIterator[bytes]:
            yield b"some"
            raise RuntimeError("sender gone")

        with pytest.raises(RuntimeError):
            await store.put("half", broken())
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    async def test_a_full_disk_is_said_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        store = FolderStore("main", tmp_path)

        def full(handle: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fdatasync", full)
        for chunks in ([b"x"], pieces(1, 1)):
            with pytest.raises(OutOfSpace):
                await store.put("one", chunks)
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


class TestOpenStore:
    def test_an_unknown_kind_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable, match="ftp"):
            open_store("main", StoreConfig(url="ftp://x"), tmp_path)

    async def test_a_dead_s3_server_is_said(self, tmp_path: Path) -> None:
        config = StoreConfig(
            url="s3://bucket",
            s3_endpoint="http://127.0.0.1:1",
            s3_access_key_id=SecretStr("k"),
            s3_secret_access_key=SecretStr("s"),
        )
        store = open_store("main", config, tmp_path)
        with pytest.raises(StoreUnavailable):
            await store.put("one", [b"x"])
