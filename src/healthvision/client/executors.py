# SPDX-License-Identifier: Apache-2.0
"""The two thin executors: they do effects with blocking or asynchronous httpx, nothing else."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from healthvision.client.auth import Auth
from healthvision.client.effects import (
    Call,
    Effect,
    Listen,
    Operation,
    Pause,
    Save,
    ServerEvent,
    Stream,
    T,
    Work,
)
from healthvision.client.engine import RetryPolicy, drive
from healthvision.client.events import EventParser


def _arguments(call: Call) -> dict[str, Any]:
    query = {k: v for k, v in call.query.items() if v is not None}
    out: dict[str, Any] = {"headers": dict(call.headers)}
    if query:
        out["params"] = query
    if call.json is not None:
        out["json"] = call.json
    if call.form is not None:
        out["data"] = dict(call.form)
    if call.timeout_s is not None:
        out["timeout"] = call.timeout_s
    if isinstance(call.content, Stream):
        out["headers"]["Content-Length"] = str(call.content.length)
    elif call.content is not None:
        out["content"] = call.content
    return out


def _length(response: httpx.Response) -> int:
    text = response.headers.get("content-length", "")
    return int(text) if text.isdigit() else 0


def _part_file(target: Path) -> Path:
    return target.with_name(target.name + ".part")


class SyncExecutor:
    """Does effects in the calling thread."""

    def __init__(self, http: httpx.Client, auth: Auth, policy: RetryPolicy) -> None:
        self.http = http
        self._auth = auth
        self._policy = policy

    def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end."""
        steps = drive(operation, self._auth, self._policy)
        try:
            effect = next(steps)
            while True:
                effect = steps.send(self._do(effect))
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _do(self, effect: Effect) -> Any:
        try:
            match effect:
                case Pause():
                    time.sleep(effect.seconds)
                    return None
                case Work():
                    return effect.function()
                case Listen():
                    return self._listen(effect)
                case Save():
                    return self._save(effect)
                case Call():
                    return self.http.send(self._request(effect))
        except httpx.TransportError as error:
            return error

    def _request(self, call: Call) -> httpx.Request:
        arguments = _arguments(call)
        if isinstance(call.content, Stream):
            arguments["content"] = iter(call.content)
        return self.http.build_request(call.method, call.path, **arguments)

    def _listen(self, effect: Listen) -> ServerEvent | httpx.Response | None:
        parser, until = EventParser(), time.monotonic() + effect.seconds
        response = self.http.send(self._request(effect.call), stream=True)
        try:
            if not response.is_success:
                response.read()
                return response
            for line in response.iter_lines():
                event = parser.feed(line)
                if event is not None and effect.wanted(event):
                    return event
                if time.monotonic() > until:
                    return None
        except httpx.TransportError:
            return None
        finally:
            response.close()
        return None

    def _save(self, effect: Save) -> httpx.Response:
        response = self.http.send(self._request(effect.call), stream=True)
        try:
            if not response.is_success:
                response.read()
                return response
            part, done, total = _part_file(effect.target), 0, _length(response)
            with part.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
                    done += len(chunk)
                    if effect.progress is not None:
                        effect.progress(done, max(total, done))
            part.replace(effect.target)
            return response
        finally:
            response.close()


class AsyncExecutor:
    """Does effects on the event loop."""

    def __init__(self, http: httpx.AsyncClient, auth: Auth, policy: RetryPolicy) -> None:
        self.http = http
        self._auth = auth
        self._policy = policy

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation to its end."""
        steps = drive(operation, self._auth, self._policy)
        try:
            effect = next(steps)
            while True:
                effect = steps.send(await self._do(effect))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _do(self, effect: Effect) -> Any:
        try:
            match effect:
                case Pause():
                    await asyncio.sleep(effect.seconds)
                    return None
                case Work():
                    return await asyncio.to_thread(effect.function)
                case Listen():
                    return await self._listen(effect)
                case Save():
                    return await self._save(effect)
                case Call():
                    return await self.http.send(self._request(effect))
        except httpx.TransportError as error:
            return error

    def _request(self, call: Call) -> httpx.Request:
        arguments = _arguments(call)
        if isinstance(call.content, Stream):
            arguments["content"] = call.content.aiter()
        return self.http.build_request(call.method, call.path, **arguments)

    async def _listen(self, effect: Listen) -> ServerEvent | httpx.Response | None:
        parser, until = EventParser(), time.monotonic() + effect.seconds
        response = await self.http.send(self._request(effect.call), stream=True)
        try:
            if not response.is_success:
                await response.aread()
                return response
            async for line in response.aiter_lines():
                event = parser.feed(line)
                if event is not None and effect.wanted(event):
                    return event
                if time.monotonic() > until:
                    return None
        except httpx.TransportError:
            return None
        finally:
            await response.aclose()
        return None

    async def _save(self, effect: Save) -> httpx.Response:
        response = await self.http.send(self._request(effect.call), stream=True)
        try:
            if not response.is_success:
                await response.aread()
                return response
            part, done, total = _part_file(effect.target), 0, _length(response)
            with await asyncio.to_thread(part.open, "wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
                    done += len(chunk)
                    if effect.progress is not None:
                        effect.progress(done, max(total, done))
            part.replace(effect.target)
            return response
        finally:
            await response.aclose()
