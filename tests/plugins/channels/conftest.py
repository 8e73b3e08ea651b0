# SPDX-License-Identifier: Apache-2.0
"""A message, a local receiver and a private certificate authority."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from healthvision.domains.notify.ports import Message
from tests.domains.notify.receiver import Receiver, serving


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate for one name, as files."""

    cert: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


@pytest.fixture
def message() -> Message:
    """Return a result notice."""
    return Message(
        id=uuid4(),
        type="analysis.result_ready.v1",
        at=datetime(2026, 11, 20, 12, tzinfo=UTC),
        org_id=uuid4(),
        subject=uuid4(),
        data={"application": "lung-ct"},
        links={"self": "https://hv.example.org/v1/results/1"},
        title="AI 结果已生成（未经医生确认）",
        text='AI 结果已生成\n应用："lung-ct" & {id}',
    )


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """Serve on loopback, allowed by the administrator."""
    monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "127.0.0.0/8, hook.test")
    async with serving() as running:
        yield running


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Make a certificate for hook.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.test")])
    start = datetime.now(UTC) - timedelta(days=1)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    made.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made
