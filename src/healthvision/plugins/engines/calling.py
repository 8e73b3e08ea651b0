# SPDX-License-Identifier: Apache-2.0
"""One guarded HTTP request to an inference server: pinned address, no redirect, bounded answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from healthvision.domains.modelhub.errors import EngineBusy, EngineFailed
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.kernel.egress import (
    BadTarget,
    Checked,
    Target,
    Unreachable,
    checked_address,
    parse_url,
    tls_context,
)

USER_AGENT = "HealthVision-Inference/1"
SETTING = "HV_MODELHUB_PRIVATE_ALLOW"
MAX_ANSWER = 256 << 20
MAX_JSON = 16 << 20
_NPY_HEADER = 1 << 16
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(call: Call, within_s: float | None = None) -> Reply:
    """Send one request and return a 2xx answer. Blocks; call it from a thread.

    ``within_s``: seconds it may take, never more than ``HV_MODELHUB_TIMEOUT_S``. Only
    public addresses over TLS and what ``HV_MODELHUB_PRIVATE_ALLOW`` names are connected to.
    Raises EngineFailed (trying again is of no use) or EngineBusy.
    """
    settings = ModelhubSettings()
    try:
        target = parse_url(call.url)
    except BadTarget as error:
        raise EngineFailed(str(error)) from None
    limit = settings.timeout_s if within_s is None else min(within_s, settings.timeout_s)
    reply = asyncio.run(_sent(call, target, settings, limit))
    if reply.status in _BUSY:
        raise EngineBusy(f"the inference server answered HTTP {reply.status}")
    if not 200 <= reply.status < 300:
        raise EngineFailed(f"the inference server answered HTTP {reply.status}")
    return reply


async def _sent(call: Call, target: Target, settings: ModelhubSettings, limit_s: float) -> Reply:
    try:
        async with asyncio.timeout(limit_s):
            checked = await checked_address(
                target.host, target.port, settings.allowed(), setting=SETTING
            )
            if not target.secure and not checked.private:
                raise EngineFailed("plain http to a public address is refused")
            return await _request(call, target, checked, settings)
    except Unreachable as failure:
        raise (EngineFailed if failure.permanent else EngineBusy)(failure.reason) from None
    except TimeoutError:
        raise EngineBusy(f"no answer within {limit_s:.3g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise EngineBusy(f"connection failed: {type(error).__name__}") from None


async def _request(
    call: Call, target: Target, checked: Checked, settings: ModelhubSettings
) -> Reply:
    address = f"[{checked.address}]" if checked.address.version == 6 else str(checked.address)
    scheme = "https" if target.secure else "http"
    headers = {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        **call.headers,
        "Host": target.header(),
    }
    async with (
        httpx.AsyncClient(
            verify=tls_context(settings.ca_file),
            follow_redirects=False,
            trust_env=False,
            timeout=None,
        ) as client,
        client.stream(
            call.method,
            f"{scheme}://{address}:{target.port}{target.path}",
            headers=headers,
            content=call.content,
            extensions={"sni_hostname": target.host} if target.literal() is None else {},
        ) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_raw(1 << 16):
            body += chunk
            if len(body) > MAX_ANSWER + _NPY_HEADER:
                raise EngineFailed("the inference server's answer is too large")
        said = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, said, bytes(body))
