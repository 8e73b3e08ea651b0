# SPDX-License-Identifier: Apache-2.0
"""Rate windows in Redis; loaded only when ``HV_REDIS_URL`` is set (extra 'redis')."""

from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from healthvision.kernel.clock import now
from healthvision.kernel.errors import Busy
from healthvision.kernel.ratelimit import WINDOW_S, Counted

_SCRIPT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {count, left}
"""


class RedisCounter:
    """Counts in Redis by one atomic script; the window is the key's time to live."""

    everything: ClassVar[bool] = True

    def __init__(self, url: str) -> None:
        self._redis: Any = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        self._script = self._redis.register_script(_SCRIPT)

    async def add(self, account: str, budget: str, number: int) -> Counted:
        """Add to the account's running window, or start one; raises Busy without Redis."""
        try:
            count, left_ms = await self._script(
                keys=[f"hv:rate:{budget}:{account}"], args=[number, int(WINDOW_S * 1000)]
            )
        except RedisError:
            raise Busy("the rate-limit counter cannot be reached", retry_after=5) from None
        return Counted(int(count), now().timestamp() + int(left_ms) / 1000)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
