# SPDX-License-Identifier: Apache-2.0
"""A short way to the routes that viewers call all the time.

FastAPI looks through every route of the platform (1 ms of processor) and solves dependencies before
it calls one. A GET or POST route whose function takes the request and texts of the path, and reads
a body itself, needs none of that: the lane finds it by its method and number of path segments and
calls it. The routes stay FastAPI routes too: they make the OpenAPI document, and whatever the lane
does not know (other methods, over-long texts) they answer as ever.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from annotated_types import MaxLen
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from healthvision.kernel.errors import Problem
from healthvision.kernel.http import problem_answer

Endpoint = Callable[..., Awaitable[Response]]
METHODS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class Lane:
    """One route: method, whole path as a template, what it calls, the length of its texts."""

    method: str
    path: str
    endpoint: Endpoint
    pattern: re.Pattern[str]
    lengths: tuple[tuple[str, int], ...]

    def fits(self, path: str) -> dict[str, str] | None:
        """Return the texts of a path, or None when it is another one or a text is too long."""
        match = self.pattern.match(path)
        if match is None:
            return None
        texts = match.groupdict()
        return texts if all(len(texts[name]) <= most for name, most in self.lengths) else None


def lanes_of(router: APIRouter, prefix: str = "") -> list[Lane]:
    """Return lanes for the routes of a router that take only the request and path texts."""
    routes = [r for r in router.routes if isinstance(r, APIRoute) and _is_plain(r)]
    return [
        _lane(route, method, prefix + route.path)
        for route in routes
        for method in METHODS
        if method in (route.methods or ())
    ]


def _is_plain(route: APIRoute) -> bool:
    needs = route.dependant
    others = (
        needs.query_params,
        needs.header_params,
        needs.cookie_params,
        needs.body_params,
        needs.dependencies,
    )
    return needs.request_param_name == "request" and ":" not in route.path and not any(others)


def _lane(route: APIRoute, method: str, path: str) -> Lane:
    lengths = {
        param.name: limit.max_length
        for param in route.dependant.path_params
        for limit in param.field_info.metadata
        if isinstance(limit, MaxLen)
    }
    return Lane(method, path, route.endpoint, compile_path(path)[0], tuple(lengths.items()))


class FastLane:
    """The middleware (plain ASGI) that serves lanes; everything else goes on as it came."""

    def __init__(self, app: Callable[..., Awaitable[None]], lanes: Sequence[Lane]) -> None:
        self._app = app
        self._starts = tuple({lane.path.split("{", 1)[0] for lane in lanes})
        self._lanes: dict[tuple[str, int], list[Lane]] = {}
        for lane in lanes:
            self._lanes.setdefault((lane.method, lane.path.count("/")), []).append(lane)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http" and scope["method"] in METHODS and not scope.get("root_path"):
            path: str = scope["path"]
            if path.startswith(self._starts):
                for lane in self._lanes.get((scope["method"], path.count("/")), ()):
                    texts = lane.fits(path)
                    if texts is not None:
                        scope.update(route=lane, endpoint=lane.endpoint, path_params=texts)
                        await _serve(lane, texts, scope, receive, send)
                        return
        await self._app(scope, receive, send)


async def _serve(lane: Lane, texts: dict[str, str], scope: Any, receive: Any, send: Any) -> None:
    request = Request(scope, receive, send)
    try:
        response = await lane.endpoint(request, **texts)
    except Problem as problem:
        response = await problem_answer(request, problem)
    await response(scope, receive, send)
