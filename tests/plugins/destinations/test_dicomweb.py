# SPDX-License-Identifier: Apache-2.0
"""STOW-RS to a small real HTTP server that answers as told."""

import json
from collections.abc import AsyncIterator
from email.parser import BytesParser
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from healthvision.domains.integration.ports import Parcel, PushFailed, Receipt, Way
from healthvision.plugins.destinations import dicomweb
from healthvision.plugins.destinations.dicomweb import COURIER, DicomWebConfig
from tests.domains.notify.receiver import Got, Receiver, serving


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("HV_INTEGRATION_PRIVATE_ALLOW", "127.0.0.0/8")
    async with serving() as receiver:
        receiver.status = 200
        yield receiver


def config(server: Receiver, **more: Any) -> DicomWebConfig:
    return DicomWebConfig(url=f"http://127.0.0.1:{server.port}/dicom-web/", **more)


async def sent(way: Way, settings: DicomWebConfig, parcels: list[Parcel]) -> list[Receipt]:
    return [receipt async for receipt in COURIER.send(way, settings, parcels)]


def parts(got: Got) -> list[bytes]:
    """Return the bodies of a multipart request, read by the standard library."""
    head = f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + got.body)
    return [p.get_payload(decode=True) for p in message.get_payload()]  # type: ignore[union-attr, misc]


def _failed(uid: str, reason: int) -> dict[str, Any]:
    item = {
        "00081155": {"vr": "UI", "Value": [uid]},
        "00081197": {"vr": "US", "Value": [reason]},
    }
    return {"00081198": {"vr": "SQ", "Value": [item]}}


class TestSend:
    async def test_objects_arrive_as_they_are_in_bounded_requests(
        self, way: Way, server: Receiver, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dicomweb, "_BATCH_OBJECTS", 4)
        receipts = await sent(way, config(server), parcels)
        assert [r.taken for r in receipts] == [True] * 6
        assert [(g.method, g.path) for g in server.got] == [("POST", "/dicom-web/studies")] * 2
        bodies = [body for got in server.got for body in parts(got)]
        expected = [b"".join([x async for x in p.read()]) for p in parcels]
        assert [b[128:132] for b in bodies] == [b"DICM"] * 6
        assert bodies == expected

    async def test_what_is_refused_is_named(
        self, way: Way, server: Receiver, parcels: list[Parcel]
    ) -> None:
        stored = [{"00081155": {"vr": "UI", "Value": [p.sop_uid]}} for p in parcels[1:]]
        document = _failed(parcels[0].sop_uid, 0x0122)
        document["00081199"] = {"vr": "SQ", "Value": stored}
        server.status, server.answer = 202, json.dumps(document).encode()
        receipts = await sent(way, config(server), parcels)
        assert [(r.taken, r.reason) for r in receipts] == [(False, "0122")] + [(True, "")] * 5
        server.status = 409
        receipts = await sent(way, config(server), parcels[:1])
        assert [(r.taken, r.reason) for r in receipts] == [(False, "0122")]

    async def test_credentials_are_sent(
        self, way: Way, server: Receiver, parcels: list[Parcel]
    ) -> None:
        await sent(way, config(server, username="hv", password=SecretStr("pw")), parcels[:1])
        await sent(way, config(server, token=SecretStr("abc")), parcels[:1])
        basic, bearer = (g.headers["authorization"] for g in server.got)
        assert (basic, bearer) == ("Basic aHY6cHc=", "Bearer abc")

    @pytest.mark.parametrize(("status", "permanent"), [(503, False), (401, False), (302, True)])
    async def test_other_answers_end_the_try(
        self, way: Way, server: Receiver, parcels: list[Parcel], status: int, permanent: bool
    ) -> None:
        server.status = status
        with pytest.raises(PushFailed, match=str(status)) as caught:
            await sent(way, config(server), parcels)
        assert caught.value.permanent is permanent

    async def test_private_addresses_must_be_allowed(
        self, way: Way, server: Receiver, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_INTEGRATION_PRIVATE_ALLOW", "10.0.0.0/8")
        with pytest.raises(PushFailed) as caught:
            await sent(way, config(server), parcels)
        assert caught.value.permanent and server.got == []


class TestTest:
    async def test_searches_for_one_study(self, way: Way, server: Receiver) -> None:
        assert "200" in await COURIER.test(way, config(server))
        assert server.got[0].path == "/dicom-web/studies?limit=1"
        server.status = 401
        with pytest.raises(PushFailed, match="401"):
            await COURIER.test(way, config(server))


class TestConfig:
    @pytest.mark.parametrize(
        "values",
        [
            {"url": "ftp://x"},
            {"url": "https://x/y?z=1"},
            {"url": "https://x", "username": "a", "token": "b"},
        ],
    )
    def test_what_cannot_work_is_refused(self, values: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            DicomWebConfig.model_validate(values)
