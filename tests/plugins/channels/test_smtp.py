# SPDX-License-Identifier: Apache-2.0
"""Mail against a real local server (aiosmtpd)."""

from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from pydantic import ValidationError

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.ports import Message
from healthvision.plugins.channels.smtp import SmtpChannel, SmtpConfig
from tests.plugins.channels.conftest import Certificate
from tests.support.postgres import free_port


class Mailbox:
    """Keeps every mail; refuses the recipient 'full@'."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("full@"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append(envelope)
        return "250 OK"


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def running(**options: Any) -> Iterator[Controller]:
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    """Run a mail server without TLS on an allowed address."""
    monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "127.0.0.0/8")
    yield from running()


@pytest.fixture
def secure_mail(monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> Iterator[Controller]:
    """Run a mail server that asks for STARTTLS and a password."""
    monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "127.0.0.0/8")
    monkeypatch.setenv("HV_NOTIFY_CA_FILE", str(certificate.cert))

    def check(_server: object, _session: object, _envelope: object, _how: str, data: Any) -> Any:
        right = (data.login, data.password) == (b"hv", b"hush")
        return AuthResult(success=right, handled=False)

    yield from running(
        tls_context=certificate.server(),
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    )


def config(controller: Controller, **changes: object) -> SmtpConfig:
    given = {
        "host": "hook.test",
        "port": controller.port,
        "security": "none",
        "sender": "hv@hospital.test",
        "recipients": ["doctor@hospital.test"],
    }
    return SmtpConfig.model_validate(given | changes)


class TestSend:
    async def test_delivers_a_mail(self, mail: Controller, message: Message) -> None:
        receipt = await SmtpChannel(loopback).send(message, config(mail))
        (envelope,) = mail.handler.mails
        found = message_from_bytes(envelope.original_content, policy=default)
        assert receipt.detail == "accepted for 1 of 1 recipients"
        assert found["Subject"] == message.title
        assert found["Message-ID"] == f"<{message.id}@hospital.test>"
        assert found.get_content().split() == message.text.split()
        assert envelope.rcpt_tos == ["doctor@hospital.test"]

    async def test_does_not_repeat_for_those_who_got_it(
        self, mail: Controller, message: Message
    ) -> None:
        both = config(mail, recipients=["doctor@hospital.test", "full@hospital.test"])
        receipt = await SmtpChannel(loopback).send(message, both)
        assert receipt.detail == "accepted for 1 of 2 recipients"

    async def test_fails_when_nobody_is_taken(self, mail: Controller, message: Message) -> None:
        nobody = config(mail, recipients=["full@hospital.test"])
        with pytest.raises(DeliveryFailed, match="SMTPRecipientsRefused"):
            await SmtpChannel(loopback).send(message, nobody)

    async def test_signs_in_over_starttls(self, secure_mail: Controller, message: Message) -> None:
        login = {"security": "starttls", "username": "hv", "password": "hush"}
        await SmtpChannel(loopback).send(message, config(secure_mail, **login))
        assert len(secure_mail.handler.mails) == 1
        wrong = config(secure_mail, **(login | {"password": "guess"}))
        with pytest.raises(DeliveryFailed, match="SMTP 535"):
            await SmtpChannel(loopback).send(message, wrong)
        other = config(secure_mail, **(login | {"host": "other.test"}))
        with pytest.raises(DeliveryFailed, match="SSLCertVerificationError"):
            await SmtpChannel(loopback).send(message, other)

    async def test_says_when_the_server_is_down(self, mail: Controller, message: Message) -> None:
        with pytest.raises(DeliveryFailed, match="connection failed"):
            await SmtpChannel(loopback).send(message, config(mail, port=free_port()))

    async def test_sends_nothing_in_clear_to_a_public_server(
        self, mail: Controller, message: Message
    ) -> None:
        async def public(host: str, port: int) -> list[str]:
            return ["93.184.216.34"]

        with pytest.raises(DeliveryFailed, match="without TLS"):
            await SmtpChannel(public).send(message, config(mail))

    async def test_refuses_a_private_server(
        self, mail: Controller, message: Message, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HV_NOTIFY_PRIVATE_ALLOW")
        with pytest.raises(DeliveryFailed, match="not public"):
            await SmtpChannel(loopback).send(message, config(mail))


class TestSmtpConfig:
    @pytest.mark.parametrize(
        "change",
        [
            {"sender": "a@b.org\nBcc: c@d.org"},
            {"recipients": []},
            {"recipients": ["nobody"]},
            {"host": "0x7f000001"},
            {"security": "none", "password": "x"},
        ],
    )
    def test_refuses_wrong_settings(self, change: dict[str, object]) -> None:
        given: dict[str, object] = {
            "host": "mail.example.org",
            "sender": "hv@hospital.test",
            "recipients": ["doctor@hospital.test"],
        }
        with pytest.raises(ValidationError):
            SmtpConfig.model_validate(given | change)
