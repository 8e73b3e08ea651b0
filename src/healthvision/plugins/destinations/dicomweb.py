# SPDX-License-Identifier: Apache-2.0
"""Destinations by DICOMweb: STOW-RS in bounded requests (PS3.18 10.5).

Stored transfer syntaxes are sent as they are; what the server refuses is told per object. The
server's name is resolved once, and private addresses must be allowed by the administrator.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from healthvision.domains.integration.ports import Parcel, PushFailed, Receipt, Way
from healthvision.domains.integration.settings import IntegrationSettings
from healthvision.kernel.db import Session
from healthvision.kernel.egress import (
    Resolver,
    Target,
    Unreachable,
    checked_address,
    parse_url,
    system_resolver,
    tls_context,
)
from healthvision.kernel.errors import Problem
from healthvision.kernel.schemas import Input
from healthvision.kernel.security import Actor

_ALLOW = "HV_INTEGRATION_PRIVATE_ALLOW"
_BATCH_OBJECTS, _BATCH_BYTES = 16, 32 << 20
_ANSWER_BYTES = 4 << 20
_JSON = "application/dicom+json"
_REFERENCED, _FAILED = "00081199", "00081198"
_UID, _REASON = "00081155", "00081197"
_ANSWERED = (200, 202, 409)


class DicomWebConfig(Input):
    """The root of a DICOMweb service, and how we sign in: not at all, Basic, or a bearer token."""

    url: str = Field(max_length=1000, examples=["https://pacs.hospital.org/dicom-web"])
    username: str = Field(default="", max_length=200)
    password: SecretStr = SecretStr("")
    token: SecretStr = Field(default=SecretStr(""), description="Bearer token.")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parse_url(value)
        if "?" in value:
            raise ValueError("without a query")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_way(self) -> "DicomWebConfig":
        if self.token.get_secret_value() and self.username:
            raise ValueError("either a user name with a password, or a token")
        return self


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class DicomWebCourier:
    """Sends by STOW-RS."""

    name = "dicomweb"
    config: type[BaseModel] = DicomWebConfig

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve

    async def check(self, session: Session, actor: Actor, config: DicomWebConfig) -> None:
        """Accept: the shape of the settings was checked, addresses are when connecting."""

    async def test(self, way: Way, config: DicomWebConfig) -> str:
        """Search for one study (QIDO-RS, limit 1); raises PushFailed."""
        async with self._client(config) as client:
            request = client.build_request(
                "GET", _address(client, "/studies"), params={"limit": "1"}
            )
            answer = await _answered(client, request)
        if answer.status not in (200, 204):
            raise PushFailed(f"the search was answered with HTTP {answer.status}")
        return f"the search for a study was answered with HTTP {answer.status}"

    async def send(
        self, way: Way, config: DicomWebConfig, parcels: Sequence[Parcel]
    ) -> AsyncGenerator[Receipt, None]:
        """Store objects and yield a receipt for each; raises PushFailed."""
        async with self._client(config) as client:
            for batch in _batches(parcels):
                readable: list[tuple[Parcel, bytes | None]] = []
                for parcel in batch:
                    try:
                        readable.append((parcel, await _small(parcel)))
                    except Problem as problem:
                        yield Receipt(parcel.sop_uid, False, problem.code)
                if readable:
                    for receipt in await _stored(client, readable):
                        yield receipt

    @asynccontextmanager
    async def _client(self, config: DicomWebConfig) -> AsyncIterator[httpx.AsyncClient]:
        """Yield a client pinned to a checked address; raises PushFailed."""
        settings, target = IntegrationSettings(), parse_url(config.url)
        try:
            checked = await checked_address(
                target.host, target.port, settings.allowed(), self._resolve, setting=_ALLOW
            )
        except Unreachable as failed:
            raise PushFailed(failed.reason, permanent=failed.permanent) from None
        if not target.secure and not checked.private:
            raise PushFailed("plain http to a public address", permanent=True)
        host = f"[{checked.address}]" if checked.address.version == 6 else str(checked.address)
        scheme = "https" if target.secure else "http"
        try:
            verify = tls_context(settings.tls_ca)
        except OSError:
            raise PushFailed("the file of trusted authorities cannot be read") from None
        async with httpx.AsyncClient(
            base_url=f"{scheme}://{host}:{target.port}{target.path.rstrip('/')}",
            headers={"Host": target.header(), "User-Agent": "HealthVision", "Accept": _JSON},
            auth=_auth(config),
            verify=verify,
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(settings.answer_s, connect=settings.connect_s),
        ) as client:
            client.event_hooks = {"request": [_named(target)]}
            yield client


def _named(target: Target) -> Any:
    async def name(request: httpx.Request) -> None:
        if target.literal() is None:  # the certificate is for the name, not for the address
            request.extensions["sni_hostname"] = target.host

    return name


def _auth(config: DicomWebConfig) -> httpx.Auth | None:
    token = config.token.get_secret_value()
    if token:
        return _Bearer(token)
    if config.username:
        return httpx.BasicAuth(config.username, config.password.get_secret_value())
    return None


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _address(client: httpx.AsyncClient, path: str) -> str:
    return str(client.base_url).rstrip("/") + path


def _batches(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    batch: list[Parcel] = []
    size = 0
    for parcel in parcels:
        if batch and (len(batch) >= _BATCH_OBJECTS or size + parcel.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += parcel.size
    if batch:
        yield batch


async def _small(parcel: Parcel) -> bytes | None:
    """Return the bytes of a parcel that fits in a request's memory; None: to be streamed."""
    if parcel.size > _BATCH_BYTES:
        return None
    return b"".join([piece async for piece in parcel.read()])


async def _stored(
    client: httpx.AsyncClient, batch: Sequence[tuple[Parcel, bytes | None]]
) -> list[Receipt]:
    boundary = uuid4().hex
    heads = [
        f"--{boundary}\r\nContent-Type: application/dicom; "
        f"transfer-syntax={parcel.transfer_syntax}\r\n\r\n".encode()
        for parcel, _ in batch
    ]
    end = f"--{boundary}--\r\n".encode()
    length = len(end) + sum(len(h) + p.size + 2 for h, (p, _) in zip(heads, batch, strict=True))

    async def body() -> AsyncIterator[bytes]:
        for head, (parcel, data) in zip(heads, batch, strict=True):
            yield head
            if data is not None:
                yield data
            else:
                async for piece in parcel.read():
                    yield piece
            yield b"\r\n"
        yield end

    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(length),
    }
    request = client.build_request(
        "POST", _address(client, "/studies"), headers=headers, content=body()
    )
    return _receipts(await _answered(client, request), [p for p, _ in batch])


async def _answered(client: httpx.AsyncClient, request: httpx.Request) -> _Answer:
    try:
        response = await client.send(request, stream=True)
        try:
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _ANSWER_BYTES:
                    raise PushFailed("the answer is too long")
            return _Answer(response.status_code, body)
        finally:
            await response.aclose()
    except httpx.TimeoutException:
        raise PushFailed("no answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise PushFailed(f"connection failed: {type(error).__name__}") from None


def _receipts(answer: _Answer, parcels: Sequence[Parcel]) -> list[Receipt]:
    """Return what the server said of each object; raises PushFailed when it said nothing."""
    if answer.status not in _ANSWERED:
        gone = 300 <= answer.status < 400 or answer.status == 410
        raise PushFailed(f"storing was answered with HTTP {answer.status}", permanent=gone)
    document = _document(answer.body)
    stored = {uid for uid, _ in _listed(document, _REFERENCED)}
    failed = dict(_listed(document, _FAILED))
    receipts = []
    for parcel in parcels:
        if parcel.sop_uid in failed:
            receipts.append(Receipt(parcel.sop_uid, False, failed[parcel.sop_uid]))
        elif parcel.sop_uid in stored or answer.status == 200:
            receipts.append(Receipt(parcel.sop_uid, True))
        else:
            receipts.append(Receipt(parcel.sop_uid, False, f"HTTP {answer.status}"))
    return receipts


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        return {}  # e.g. XML: the status alone speaks
    if isinstance(found, list):
        found = found[0] if found else {}
    return found if isinstance(found, dict) else {}


def _listed(document: Mapping[str, Any], tag: str) -> Iterator[tuple[str, str]]:
    """Yield SOP Instance UID and failure reason (hexadecimal, '' without one)."""
    entry = document.get(tag)
    for item in (entry.get("Value") or []) if isinstance(entry, dict) else []:
        uid, reason = _first(item, _UID), _first(item, _REASON)
        if isinstance(uid, str):
            yield uid, f"{reason:04X}" if isinstance(reason, int) else ""


def _first(item: Any, tag: str) -> Any:
    entry = item.get(tag) if isinstance(item, dict) else None
    values = entry.get("Value") if isinstance(entry, dict) else None
    return values[0] if isinstance(values, list) and values else None


COURIER: Any = DicomWebCourier()
