# SPDX-License-Identifier: Apache-2.0
"""Short messages against a real local provider."""

from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.ports import Message
from healthvision.plugins.channels.sms import CHANNEL, SmsConfig
from tests.domains.notify.receiver import Receiver


def config(receiver: Receiver, **changes: object) -> SmsConfig:
    given = {"url": receiver.url, "to": "+8613800000000"}
    return SmsConfig.model_validate(given | changes)


class TestSend:
    async def test_fills_a_json_template(self, receiver: Receiver, message: Message) -> None:
        headers = {"Authorization": "Bearer hush"}
        receiver.status, receiver.answer = 200, b'{"code":"OK"}'
        wanted = config(receiver, headers=headers, success_contains='"OK"')
        await CHANNEL.send(message, wanted)
        (got,) = receiver.got
        assert got.json() == {
            "to": "+8613800000000",
            "text": message.text,
            "id": str(message.id),
        }
        assert got.headers["authorization"] == "Bearer hush"
        assert got.headers["idempotency-key"] == str(message.id)

    async def test_fills_a_form(self, receiver: Receiver, message: Message) -> None:
        form = config(
            receiver,
            content_type="application/x-www-form-urlencoded",
            body="phone={to}&msg={text}",
            method="PUT",
        )
        await CHANNEL.send(message, form)
        fields = parse_qs(receiver.got[0].body.decode())
        assert fields == {"phone": ["+8613800000000"], "msg": [message.text]}

    async def test_fails_when_the_provider_does_not_confirm(
        self, receiver: Receiver, message: Message
    ) -> None:
        receiver.status, receiver.answer = 200, b'{"code":"NO CREDIT"}'
        with pytest.raises(DeliveryFailed, match="did not confirm"):
            await CHANNEL.send(message, config(receiver, success_contains='"OK"'))


class TestSmsConfig:
    @pytest.mark.parametrize(
        "change",
        [
            {"to": "doctor"},
            {"headers": {"Host": "x"}},
            {"headers": {"X-Key": "a\r\nb"}},
            {"url": "https://127.1/"},
            {"method": "DELETE"},
        ],
    )
    def test_refuses_wrong_settings(self, change: dict[str, object]) -> None:
        given: dict[str, object] = {"url": "https://sms.example.org/", "to": "13800000000"}
        with pytest.raises(ValidationError):
            SmsConfig.model_validate(given | change)
