# SPDX-License-Identifier: Apache-2.0
"""DICOM over TLS: profiles, client certificates, and that one belongs to one title."""

import asyncio
import datetime as dt
import hashlib
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeChange
from healthvision.formats.dicom import dimse, scu
from healthvision.formats.dicom.association import Timers
from healthvision.formats.dicom.part10 import EXPLICIT_LE
from healthvision.formats.dicom.scu import Rejected
from healthvision.formats.dicom.ul import Proposed, ProtocolError
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel import tls
from healthvision.kernel.clock import now
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from healthvision.kernel.wire import WireClosed, connect
from tests.interfaces.dimse.conftest import CALLED, CALLING

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pki:
    """An authority, the server's pair and a client's, as PEM files."""

    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def fingerprint(self, name: str) -> str:
        found = x509.load_pem_x509_certificate(self[name].read_bytes())
        return hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Fresh keys and certificates."""
    found = Pki(tmp_path_factory.mktemp("pki"))
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", authority_key, None, authority_key)
    found["ca"].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in ("server", "client", "other"):
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(name, key, authority, authority_key)
        found[name].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        found[f"{name}-key"].write_bytes(private)
    return found


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _DAY)
        .not_valid_after(now() + _DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(params=["bcp195", "tls13"])
def settings(request: pytest.FixtureRequest, pki: Pki) -> DimseSettings:
    """A port with TLS that wants client certificates."""
    return DimseSettings(
        port=0,
        tls=request.param,
        tls_cert=pki["server"],
        tls_key=pki["server-key"],
        tls_ca=pki["ca"],
        tls_client_cert=True,
    )


def echo(port: int, context: ssl.SSLContext | None) -> int:
    wire = connect("127.0.0.1", port, seconds=20, tls=context)
    try:
        contexts = [Proposed(1, dimse.VERIFICATION, (EXPLICIT_LE,))]
        association = scu.associate(wire, CALLING, CALLED, contexts, Timers(20, 20))
        status = scu.echo(association)
        association.release()
        return status
    finally:
        wire.close()


def client(pki: Pki, name: str | None = "client") -> ssl.SSLContext:
    shown = tls.Identity(trusted=pki["ca"])
    if name:
        shown = tls.Identity(pki[name], pki[f"{name}-key"], pki["ca"])
    return tls.client_context("bcp195", shown)


Make = Callable[[Pki], ssl.SSLContext | None]


class TestTls:
    async def test_a_trusted_caller_is_served(self, port: int, pki: Pki) -> None:
        assert await asyncio.to_thread(echo, port, client(pki)) == 0x0000

    @pytest.mark.parametrize(
        "make", [lambda _: None, lambda pki: client(pki, None)], ids=["plain", "no-certificate"]
    )
    async def test_others_are_not(self, port: int, pki: Pki, make: Make) -> None:
        with pytest.raises((WireClosed, ssl.SSLError, ProtocolError)):
            await asyncio.to_thread(echo, port, make(pki))

    async def test_old_versions_are_not(self, port: int, pki: Pki, settings: DimseSettings) -> None:
        context = client(pki)
        newest = settings.tls == "tls13"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        if newest:
            with pytest.raises((WireClosed, ssl.SSLError)):
                await asyncio.to_thread(echo, port, context)
        else:
            assert await asyncio.to_thread(echo, port, context) == 0x0000

    async def test_a_title_may_be_bound_to_its_certificate(
        self, port: int, pki: Pki, db: Database, actor: Actor
    ) -> None:
        async with db.transaction() as session:
            change = RemoteAeChange(fingerprint=pki.fingerprint("client"))
            await aes.change_remote(session, actor, CALLING, change)
        assert await asyncio.to_thread(echo, port, client(pki)) == 0x0000
        with pytest.raises(Rejected):
            await asyncio.to_thread(echo, port, client(pki, "other"))
