# SPDX-License-Identifier: Apache-2.0
"""Short messages through any provider that takes one HTTP request per message."""

import json
import re
from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, SecretStr, field_validator

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.ports import Message, Receipt
from healthvision.domains.notify.settings import NotifySettings
from healthvision.kernel.egress import Resolver, parse_url, system_resolver
from healthvision.kernel.schemas import Input
from healthvision.plugins.channels import http

MAX_TEXT = 300
_HEADER = re.compile(r"^[A-Za-z0-9-]{1,60}$")
_PLACE = re.compile(r"\{(to|text|id)\}")


class SmsConfig(Input):
    """How to ask the provider.

    ``body``: a template with {to}, {text} and {id}; the values are written in the way the
    content type needs (JSON strings without quotes, form fields, or as they are).
    ``success_contains``: text that the provider's answer has when it took the message.
    """

    url: str = Field(max_length=2000)
    method: Literal["POST", "PUT"] = "POST"
    content_type: Literal["application/json", "application/x-www-form-urlencoded", "text/plain"] = (
        "application/json"
    )
    body: str = Field(default='{"to": "{to}", "text": "{text}", "id": "{id}"}', max_length=4000)
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, max_length=10, description="E.g. Authorization; kept encrypted."
    )
    to: str = Field(pattern=r"^\+?[0-9]{3,20}$", description="One telephone number.")
    success_contains: str | None = Field(default=None, min_length=1, max_length=200)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            text = secret.get_secret_value()
            if not _HEADER.match(name) or name.lower() in ("host", "content-length"):
                raise ValueError("a header name is not allowed")
            if not text.isascii() or not text.isprintable():
                raise ValueError("a header value must be printable ASCII")
        return value


def _escaped(value: str, content_type: str) -> str:
    if content_type == "application/json":
        return json.dumps(value, ensure_ascii=False)[1:-1]
    return quote(value, safe="") if content_type.endswith("urlencoded") else value


def filled(config: SmsConfig, values: dict[str, str]) -> str:
    """Return the request body with the values in their places."""
    return _PLACE.sub(lambda m: _escaped(values[m.group(1)], config.content_type), config.body)


class SmsChannel:
    """Sends one short message per event through a provider's HTTP interface."""

    name = "sms"
    config: type[BaseModel] = SmsConfig

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve

    async def send(self, message: Message, config: SmsConfig) -> Receipt:
        """Send one message; raises DeliveryFailed."""
        values = {"to": config.to, "text": message.text[:MAX_TEXT], "id": str(message.id)}
        headers = {
            **{name: value.get_secret_value() for name, value in config.headers.items()},
            "Content-Type": f"{config.content_type}; charset=utf-8",
            "Idempotency-Key": str(message.id),
        }
        body = filled(config, values).encode()
        outgoing = http.Outgoing(config.method, parse_url(config.url), headers, body)
        answer = await http.send(outgoing, NotifySettings(), self._resolve)
        http.check_status(answer)
        wanted = config.success_contains
        if wanted is not None and wanted not in answer.body.decode("utf-8", "replace"):
            raise DeliveryFailed("the provider did not confirm the message")
        return Receipt(f"HTTP {answer.status}")


CHANNEL = SmsChannel()
