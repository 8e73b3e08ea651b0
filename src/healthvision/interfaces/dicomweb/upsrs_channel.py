# SPDX-License-Identifier: Apache-2.0
"""The event channel of UPS-RS (PS3.18 11.12): reports of work items over a WebSocket.

Reports lie in the database until they are sent, so a subscriber may connect to any process and
gets what came while it was away. A report may come twice after a broken connection, never not.
Sign-in and the right in the space are looked at with each poll.
"""

import asyncio
import contextlib
from typing import Annotated, cast

from fastapi import APIRouter, Path
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from healthvision.domains.integration import service as integration
from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.http import Authenticator, Credentials, RateLimiter
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import request_id_from, trace_id_from

router = APIRouter()
POLL_S = 0.5
_REFUSED, _ENDED = 4403, 4401


@router.websocket("/subscribers/{aetitle}")
async def open_event_channel(
    socket: WebSocket,
    space: Annotated[str, Path(max_length=100)],
    aetitle: Annotated[str, Path(max_length=16)],
) -> None:
    """Send the reports of the caller's subscriptions under an AE title until it hangs up."""
    db = cast("Database", socket.app.state.db)
    try:
        actor = await _caller(db, socket, space)
        await db.resources.get(RateLimiter).hit(actor, "dicomweb")  # type: ignore[type-abstract]
    except Problem as problem:
        await socket.close(_REFUSED, problem.code)
        return
    await socket.accept()
    gone = asyncio.ensure_future(_hang_up(socket))
    try:
        await _send_until(db, socket, (space, aetitle), gone)
    except Problem as problem:
        if socket.client_state is WebSocketState.CONNECTED:
            await socket.close(_ENDED, problem.code)
    except (WebSocketDisconnect, RuntimeError):
        return
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone


async def _caller(db: Database, socket: WebSocket, space: str) -> Actor:
    """Return the signed-in caller with a right in the space; raises Problem."""
    authenticator = db.resources.get(Authenticator)  # type: ignore[type-abstract]
    credentials = Credentials(
        method="GET",
        path=socket.url.path,
        headers={k.lower(): v for k, v in socket.headers.items()},
        cookies={},
        address=socket.client.host if socket.client else None,
        request_id=request_id_from(None),
        trace_id=trace_id_from(None),
    )
    actor = await authenticator.authenticate(credentials)
    async with db.reading() as session:
        await spaces.get(session, actor, space)
    return actor


async def _hang_up(socket: WebSocket) -> None:
    """Wait until the subscriber closes the channel; what it says is not looked at."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


async def _send_until(
    db: Database,
    socket: WebSocket,
    place: tuple[str, str],
    gone: "asyncio.Future[None]",
) -> None:
    space, aetitle = place
    while not gone.done():
        actor = await _caller(db, socket, space)
        async with db.reading() as session:
            reports = await integration.fetch_reports(session, actor, space, aetitle)
        for report in reports:
            await socket.send_text(to_json(report.document).decode())
        if reports:
            async with db.transaction() as session:
                await integration.reports_sent(session, actor, [r.id for r in reports])
        else:
            await asyncio.wait([gone], timeout=POLL_S)
