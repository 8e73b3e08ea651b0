# SPDX-License-Identifier: Apache-2.0
"""Webhooks, signed after the Standard Webhooks specification 1.0 (HMAC-SHA256, 'v1')."""

import base64
import binascii
import hmac
from datetime import datetime
from hashlib import sha256

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, ValidationInfo, field_validator

from healthvision.domains.notify.ports import NEW, Message, Receipt
from healthvision.domains.notify.settings import NotifySettings
from healthvision.kernel import strictjson
from healthvision.kernel.clock import now
from healthvision.kernel.egress import Resolver, parse_url, system_resolver
from healthvision.kernel.schemas import Input
from healthvision.plugins.channels import http
from healthvision.plugins.channels.egress import check_literal

PREFIX = "whsec_"


class WebhookConfig(Input):
    """Where to post and with which secret ('whsec_' + base64 of 24 to 64 bytes) to sign."""

    url: str = Field(max_length=2000, examples=["https://ris.example.org/hooks/healthvision"])
    secret: SecretStr
    previous_secret: SecretStr | None = None
    previous_until: AwareDatetime | None = None

    @field_validator("url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        target = parse_url(value)
        if (info.context or {}).get(NEW):
            check_literal(target.host, NotifySettings().allowed())
        return value

    @field_validator("secret", "previous_secret")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            secret_bytes(value.get_secret_value())
        return value

    def secrets(self, moment: datetime) -> list[bytes]:
        """Return the secrets that are valid at a time, the newest first."""
        found = [secret_bytes(self.secret.get_secret_value())]
        old, until = self.previous_secret, self.previous_until
        if old is not None and until is not None and moment < until:
            found.append(secret_bytes(old.get_secret_value()))
        return found


def secret_bytes(text: str) -> bytes:
    """Return the bytes of a secret; ValueError names the rule, not the secret."""
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64 after 'whsec_'") from None
    if not text.startswith(PREFIX) or not 24 <= len(raw) <= 64:
        raise ValueError("must be 'whsec_' and base64 of 24 to 64 bytes")
    return raw


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature: HMAC-SHA256 over 'id.timestamp.body'."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()


class WebhookChannel:
    """Posts the event as JSON; a 2xx answer within ten seconds means delivered."""

    name = "webhook"
    config: type[BaseModel] = WebhookConfig

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve

    async def send(self, message: Message, config: WebhookConfig) -> Receipt:
        """Post one message; raises DeliveryFailed."""
        moment = now()
        body = strictjson.dumps(message.body()).encode()
        stamp = int(moment.timestamp())
        signatures = [signature(s, str(message.id), stamp, body) for s in config.secrets(moment)]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(message.id),
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(signatures),
        }
        outgoing = http.Outgoing("POST", parse_url(config.url), headers, body)
        answer = await http.send(outgoing, NotifySettings(), self._resolve)
        http.check_status(answer)
        return Receipt(f"HTTP {answer.status}")


CHANNEL = WebhookChannel()
