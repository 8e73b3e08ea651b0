# SPDX-License-Identifier: Apache-2.0
"""Ends requests whose body trickles in, so that slow senders hold neither places nor memory.

Only the time in which we wait for the sender counts, not the time in which we work.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from healthvision.kernel.clock import monotonic
from healthvision.kernel.errors import Malformed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
GRACE_S = 20.0
BYTES_PER_S = 4096  # on the average, beyond the grace; a line of 64 kbit/s has twice that


class BodyTooSlow(Malformed):
    """The body did not come in time: it is cut."""

    code, title = "body-too-slow", "The body comes too slowly"


def in_time(receive: Receive) -> Receive:
    """Return an ASGI ``receive`` that raises BodyTooSlow while the body comes too slowly.

    20 s are free; beyond them each second of waiting needs 4 KiB that came. After the body's end
    it waits as long as it likes (for the caller to hang up).
    """
    waited, size, ended = 0.0, 0, False

    async def receive_in_time() -> Message:
        nonlocal waited, size, ended
        if ended:
            return await receive()
        begun, left = monotonic(), GRACE_S + size / BYTES_PER_S - waited
        try:
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError:
            ended = True
            raise BodyTooSlow(f"the body has to come with {BYTES_PER_S} bytes a second") from None
        waited += monotonic() - begun
        size += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        return message

    return receive_in_time
