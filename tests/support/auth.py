# SPDX-License-Identifier: Apache-2.0
"""Sign-in for tests of one room: a header carries a key into a table of actors."""

from healthvision.kernel.errors import Unauthenticated
from healthvision.kernel.http import Credentials
from healthvision.kernel.security import Actor

HEADER = "x-test-actor"


class TableAuthenticator:
    """Knows the actors a test gave it; stands in where the identity room is not under test."""

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}

    async def authenticate(self, request: Credentials) -> Actor:
        """Return the actor named by the header; raises Unauthenticated."""
        actor = self.actors.get(request.headers.get(HEADER, ""))
        if actor is None:
            raise Unauthenticated("no such test actor")
        return actor


class NoLimit:
    """Counts nothing."""

    async def hit(self, actor: Actor, budget: str) -> None:
        """Let every call pass."""
