# SPDX-License-Identifier: Apache-2.0
"""One guarded HTTP request of a channel: pinned address, no redirect, bounded time and answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.settings import NotifySettings
from healthvision.kernel.egress import Checked, Resolver, Target, system_resolver, tls_context
from healthvision.plugins.channels.egress import checked_address

USER_AGENT = "HealthVision-Notify/1"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to be sent."""

    method: str
    target: Target
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The receiver's answer; the body is cut at the cap."""

    status: int
    body: bytes


async def send(
    outgoing: Outgoing, settings: NotifySettings, resolve: Resolver = system_resolver
) -> Answer:
    """Send one request to a checked address.

    Plain HTTP goes to addresses of the allow-list only. Raises DeliveryFailed.
    """
    target = outgoing.target
    try:
        async with asyncio.timeout(settings.timeout_s):
            checked = await checked_address(target.host, target.port, settings.allowed(), resolve)
            if not target.secure and not checked.private:
                raise DeliveryFailed("plain http to a public address", permanent=True)
            return await _request(outgoing, checked, settings)
    except TimeoutError:
        raise DeliveryFailed(f"no answer within {settings.timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise DeliveryFailed(f"connection failed: {type(error).__name__}") from None


async def _request(outgoing: Outgoing, checked: Checked, settings: NotifySettings) -> Answer:
    target = outgoing.target
    address = f"[{checked.address}]" if checked.address.version == 6 else str(checked.address)
    scheme = "https" if target.secure else "http"
    headers = {"User-Agent": USER_AGENT, **outgoing.headers, "Host": target.header()}
    async with (
        httpx.AsyncClient(
            verify=tls_context(settings.ca_file),
            follow_redirects=False,
            trust_env=False,
            timeout=None,
        ) as client,
        client.stream(
            outgoing.method,
            f"{scheme}://{address}:{target.port}{target.path}",
            headers=headers,
            content=outgoing.content,
            extensions={"sni_hostname": target.host} if target.literal() is None else {},
        ) as response,
    ):
        body = b""
        async for chunk in response.aiter_raw(4096):
            body += chunk
            if len(body) >= settings.response_cap:
                break
        return Answer(response.status_code, body[: settings.response_cap])


def check_status(answer: Answer) -> None:
    """Raise DeliveryFailed unless the answer is 2xx; 410 Gone is for good."""
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise DeliveryFailed(f"HTTP {answer.status}: redirects are not followed", permanent=True)
    raise DeliveryFailed(f"HTTP {answer.status}", permanent=answer.status == 410)
