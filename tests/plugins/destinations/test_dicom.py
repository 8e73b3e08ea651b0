# SPDX-License-Identifier: Apache-2.0
"""C-STORE to remote AEs: pynetdicom as the PACS, plain, with TLS, choosy, and broken."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom import AE, evt

from healthvision.domains.integration.ports import Parcel, PushFailed, Receipt, Way
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.errors import AeNotFound
from healthvision.domains.spaces.schemas import RemoteAeCreate, TlsProfile
from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.transcoding import transcode
from healthvision.plugins.destinations import dicom
from healthvision.plugins.destinations.dicom import COURIER, DicomConfig
from tests.interfaces.dimse.test_tls import Pki
from tests.interfaces.dimse.test_tls import pki as pki
from tests.plugins.destinations.conftest import parcel_of
from tests.support.postgres import free_port
from tests.support.small_ct import small_ct

CONFIG = DicomConfig(remote_ae="PACS", calling="HV")


@dataclass
class Pacs:
    """A peer that remembers what it took; ``answers``: statuses by SOP Instance UID."""

    port: int
    syntaxes: list[str] = field(default_factory=lambda: [ExplicitVRLittleEndian])
    answers: dict[str, int] = field(default_factory=dict)
    taken: dict[str, Any] = field(default_factory=dict)
    dies_after: int = 99

    def store(self, event: Any) -> int:
        if len(self.taken) >= self.dies_after:
            event.assoc.abort()
            return 0xC000
        data = event.dataset
        data.file_meta = event.file_meta
        self.taken[str(data.SOPInstanceUID)] = data
        return self.answers.get(str(data.SOPInstanceUID), 0x0000)


@contextmanager
def running(pacs: Pacs, context: ssl.SSLContext | None = None) -> Iterator[None]:
    ae = AE("PACS")
    ae.require_called_aet = True
    ae.add_supported_context(dimse.VERIFICATION)
    ae.add_supported_context(CTImageStorage, pacs.syntaxes)
    handlers: list[Any] = [(evt.EVT_C_STORE, pacs.store)]
    place = ("127.0.0.1", pacs.port)
    server = ae.start_server(place, block=False, evt_handlers=handlers, ssl_context=context)
    try:
        yield
    finally:
        assert server is not None
        server.shutdown()


@pytest.fixture
def pacs() -> Pacs:
    return Pacs(free_port())


async def register(way: Way, port: int, tls: TlsProfile = "none", title: str = "PACS") -> None:
    async with way.db.transaction() as session:
        new = RemoteAeCreate(
            title=title, host="127.0.0.1", port=port, operations=["receive"], tls=tls
        )
        await aes.add_remote(session, way.actor, new)


async def sent(way: Way, parcels: list[Parcel]) -> list[Receipt]:
    return [receipt async for receipt in COURIER.send(way, CONFIG, parcels)]


class TestSend:
    async def test_each_object_has_a_receipt(
        self, way: Way, pacs: Pacs, parcels: list[Parcel]
    ) -> None:
        await register(way, pacs.port)
        refused, twice, warned = (p.sop_uid for p in parcels[:3])
        pacs.answers = {refused: 0xC000, twice: 0x0111, warned: 0xB007}
        with running(pacs):
            receipts = {r.sop_uid: r for r in await sent(way, parcels)}
        assert [r.taken for r in receipts.values()] == [False, True, True, True, True, True]
        assert [receipts[u].reason for u in (refused, twice, warned)] == ["C000", "0111", "B007"]
        assert set(pacs.taken) == {p.sop_uid for p in parcels}

    async def test_large_objects_are_streamed(
        self, way: Way, pacs: Pacs, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dicom, "_WHOLE_BYTES", 1000)
        await register(way, pacs.port)
        with running(pacs):
            assert all(r.taken for r in await sent(way, parcels[:2]))
        assert len(next(iter(pacs.taken.values())).PixelData) == 32 * 32 * 2

    async def test_a_peer_without_the_syntax_gets_it_uncompressed(
        self, way: Way, pacs: Pacs
    ) -> None:
        pacs.syntaxes = [ImplicitVRLittleEndian]
        await register(way, pacs.port)
        plain = small_ct()[0]
        packed = parcel_of(transcode(plain, JPEG2000Lossless))
        with running(pacs):
            (receipt,) = await sent(way, [packed])
        assert receipt.taken
        (got,) = pacs.taken.values()
        assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian

    async def test_a_class_it_does_not_take_is_refused_alone(
        self, way: Way, pacs: Pacs, parcels: list[Parcel]
    ) -> None:
        await register(way, pacs.port)
        mr = Parcel("1.2.840.10008.5.1.4.1.1.4", "1.2.3", *_rest(parcels[0]))
        with running(pacs):
            one, two = await sent(way, [mr, parcels[0]])
        assert (one.taken, one.reason) == (False, "SOP class or transfer syntax not accepted")
        assert two.taken

    async def test_what_was_acknowledged_before_it_died_counts(
        self, way: Way, pacs: Pacs, parcels: list[Parcel]
    ) -> None:
        await register(way, pacs.port)
        pacs.dies_after = 2
        receipts = []
        with running(pacs), pytest.raises(PushFailed):
            async for receipt in COURIER.send(way, CONFIG, parcels):
                receipts.append(receipt)
        assert [r.taken for r in receipts] == [True, True]

    async def test_a_full_peer_is_tried_later(
        self, way: Way, pacs: Pacs, parcels: list[Parcel]
    ) -> None:
        await register(way, pacs.port)
        pacs.answers = {parcels[0].sop_uid: 0xA700}
        with running(pacs), pytest.raises(PushFailed, match="out of resources"):
            await sent(way, parcels)


def _rest(parcel: Parcel) -> tuple[str, str, int, Callable[[], Any]]:
    return parcel.transfer_syntax, parcel.study_uid, parcel.size, parcel.read


class TestTest:
    async def test_echoes(self, way: Way, pacs: Pacs) -> None:
        await register(way, pacs.port)
        with running(pacs):
            assert "success" in await COURIER.test(way, CONFIG)

    async def test_says_why_not(self, way: Way, pacs: Pacs) -> None:
        with pytest.raises(PushFailed, match="not known"):
            await COURIER.test(way, CONFIG)
        await register(way, pacs.port)
        with pytest.raises(PushFailed, match="cannot connect"):
            await COURIER.test(way, CONFIG)
        await register(way, pacs.port, title="OTHER")
        with running(pacs), pytest.raises(PushFailed, match="AE title is another"):
            await COURIER.test(way, DicomConfig(remote_ae="OTHER"))

    async def test_an_unknown_ae_is_refused_when_the_destination_is_made(self, way: Way) -> None:
        async with way.db.reading() as session:
            with pytest.raises(AeNotFound):
                await COURIER.check(session, way.actor, CONFIG)


class TestTls:
    async def test_objects_go_over_tls_and_both_show_a_certificate(
        self, way: Way, pacs: Pacs, pki: Pki, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, file in (("CERT", "client"), ("KEY", "client-key"), ("CA", "ca")):
            monkeypatch.setenv(f"HV_INTEGRATION_TLS_{name}", str(pki[file]))
        await register(way, pacs.port, tls="bcp195")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki["server"], pki["server-key"])
        context.load_verify_locations(pki["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        with running(pacs, context):
            assert all(r.taken for r in await sent(way, parcels[:2]))
        assert len(pacs.taken) == 2

    async def test_a_server_nobody_vouches_for_gets_nothing(
        self, way: Way, pacs: Pacs, pki: Pki, parcels: list[Parcel]
    ) -> None:
        await register(way, pacs.port, tls="tls13")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki["server"], pki["server-key"])
        with running(pacs, context), pytest.raises(PushFailed, match="TLS"):
            await sent(way, parcels[:1])
        assert pacs.taken == {}
