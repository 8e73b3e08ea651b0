# SPDX-License-Identifier: Apache-2.0
"""Webhooks against a real local server."""

import pytest

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.ports import Message
from healthvision.plugins.channels.webhook import (
    WebhookChannel,
    WebhookConfig,
    secret_bytes,
    signature,
)
from tests.domains.notify.receiver import Receiver, serving
from tests.plugins.channels.conftest import Certificate

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def config(url: str) -> WebhookConfig:
    return WebhookConfig.model_validate({"url": url, "secret": SECRET})


class TestSignature:
    def test_gives_the_published_example(self) -> None:
        # The example of the Standard Webhooks reference libraries.
        found = signature(
            secret_bytes(SECRET),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class TestSend:
    async def test_connects_to_the_checked_address_with_the_name_in_the_header(
        self, receiver: Receiver, message: Message
    ) -> None:
        channel = WebhookChannel(loopback)
        receipt = await channel.send(message, config(f"http://hook.test:{receiver.port}/x?y=1"))
        (got,) = receiver.got
        assert receipt.detail == "HTTP 204"
        assert got.headers["host"] == f"hook.test:{receiver.port}"
        assert (got.method, got.path) == ("POST", "/x?y=1")
        assert got.json() == message.body()

    async def test_checks_the_certificate_against_the_name(
        self,
        message: Message,
        certificate: Certificate,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "127.0.0.0/8")
        channel = WebhookChannel(loopback)
        async with serving(certificate.server()) as secure:
            with pytest.raises(DeliveryFailed, match="ConnectError"):
                await channel.send(message, config(f"https://hook.test:{secure.port}/"))
            monkeypatch.setenv("HV_NOTIFY_CA_FILE", str(certificate.cert))
            await channel.send(message, config(f"https://hook.test:{secure.port}/"))
            with pytest.raises(DeliveryFailed, match="ConnectError"):
                await channel.send(message, config(f"https://other.test:{secure.port}/"))
            assert len(secure.got) == 1

    async def test_follows_no_redirect(self, receiver: Receiver, message: Message) -> None:
        receiver.status, receiver.extra = 302, f"Location: {receiver.url}\r\n"
        with pytest.raises(DeliveryFailed, match="redirects are not followed"):
            await WebhookChannel().send(message, config(receiver.url))
        assert len(receiver.got) == 1

    async def test_reads_only_the_start_of_a_long_answer(
        self, receiver: Receiver, message: Message
    ) -> None:
        receiver.status, receiver.answer = 200, b"x" * 5_000_000
        assert (await WebhookChannel().send(message, config(receiver.url))).detail == "HTTP 200"

    async def test_gives_up_on_a_slow_receiver(
        self, receiver: Receiver, message: Message, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_NOTIFY_TIMEOUT_S", "0.2")
        receiver.delay_s = 1.0
        with pytest.raises(DeliveryFailed, match=r"within 0\.2 s"):
            await WebhookChannel().send(message, config(receiver.url))

    async def test_sends_nothing_in_clear_to_a_public_address(self, message: Message) -> None:
        async def public(host: str, port: int) -> list[str]:
            return ["93.184.216.34"]

        with pytest.raises(DeliveryFailed, match="plain http"):
            await WebhookChannel(public).send(message, config("http://hook.example.org/"))
