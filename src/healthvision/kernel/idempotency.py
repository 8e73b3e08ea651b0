# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: a POST that comes twice is done once, and the repeat gets the first answer.

An answer is kept for a day and only for the account that got it. Before it is given again the
``ReplayGuard`` looks whether the caller may still see what it tells of, and records that it was
read: a kept answer is no way round a lost right or a deleted study.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import UniqueConstraint, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import Database, OrgOwned, Session, resources_of
from healthvision.kernel.errors import Conflict, Invalid
from healthvision.kernel.security import Actor

HEADER = "Idempotency-Key"
KEEP = timedelta(hours=24)
SHORTEST, LONGEST = 8, 200
KEY_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes a repeat safe: for a day the same key with the same request gets the "
    "first answer (header Idempotency-Replayed), with another request 409.",
    "schema": {
        "type": "string",
        "minLength": SHORTEST,
        "maxLength": LONGEST,
        "pattern": "^[!-~][ -~]*[!-~]$",
    },
}


class IdempotencyMismatch(Conflict):
    """The same Idempotency-Key came with another request."""

    code, title = "idempotency-mismatch", "Idempotency key used for another request"


class AnswerNotKept(Conflict):
    """The request was done before; its answer held a secret and is not kept for a repeat."""

    code, title = "idempotency-answer-not-kept", "Done before; the answer is shown only once"


class IdempotencyRow(OrgOwned):
    """A POST that was made with an Idempotency-Key, and its answer."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("org_id", "account", "key"),)

    account: Mapped[str]
    key: Mapped[str]
    request_sha256: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[str | None]  # base64
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a repeat would be told: where it was asked, and the document (None: no JSON)."""

    route: str  # method and template
    parameters: Mapping[str, str]  # of the path
    document: Any


class ReplayGuard(Protocol):
    """Looks at a kept answer before it is given again; ``archive`` provides it."""

    async def replayed(self, session: Session, actor: Actor, answer: KeptAnswer) -> None:
        """Record that the answer is read again; raises NotFound when its study is not visible."""
        ...


class Replay(Exception):
    """Ends a request that was done before, with its first answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


def key_of(request: Request) -> str | None:
    """Return the request's Idempotency-Key; raises Invalid."""
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    if not SHORTEST <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        raise Invalid(f"{HEADER}: {SHORTEST} to {LONGEST} printable ASCII characters")
    return key


async def claim(session: Session, request: Request, actor: Actor, key: str) -> IdempotencyRow:
    """Return the row of a request that comes for the first time, or is not answered yet.

    Raises Replay when it was answered, after the guard agreed; IdempotencyMismatch and
    AnswerNotKept.
    """
    sha256 = await _digest(request)
    row = await _insert(session, actor, key, sha256)
    if row is not None:
        return row
    mine = (
        IdempotencyRow.org_id == actor.org_id,
        IdempotencyRow.account == actor.id,
        IdempotencyRow.key == key,
    )
    before = (await session.scalars(select(IdempotencyRow).where(*mine))).one()
    if before.expires_at is not None and before.expires_at <= now():
        before.request_sha256, before.expires_at = sha256, now() + KEEP
        before.status = before.headers = before.body = None
        return before
    if before.request_sha256 != sha256:
        raise IdempotencyMismatch(f"this {HEADER} was used for another request")
    if before.status is None:
        return before
    if before.body is None:
        raise AnswerNotKept("this was done; its answer held a secret, which is shown only once")
    body = base64.b64decode(before.body)
    await _guard(session, request, actor, before, body)
    headers = {**(before.headers or {}), "Idempotency-Replayed": "true"}
    raise Replay(Response(body, before.status, headers))


async def _digest(request: Request) -> str:
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    return digest.hexdigest()


async def _insert(session: Session, actor: Actor, key: str, sha256: str) -> IdempotencyRow | None:
    """Insert the claim; None when the account used the key before."""
    row = IdempotencyRow(
        org_id=actor.org_id,
        account=actor.id,
        key=key,
        request_sha256=sha256,
        expires_at=now() + KEEP,
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return None
    return row


async def _guard(
    session: Session, request: Request, actor: Actor, row: IdempotencyRow, body: bytes
) -> None:
    resources = resources_of(session)
    if not resources.has(ReplayGuard):
        return
    told = str((row.headers or {}).get("content-type", ""))
    answer = KeptAnswer(
        route=f"{request.method} {getattr(request.scope.get('route'), 'path', 'unmatched')}",
        parameters={k: str(v) for k, v in request.path_params.items()},
        document=json.loads(body) if body and told.startswith("application/json") else None,
    )
    guard = resources.get(ReplayGuard)  # type: ignore[type-abstract]
    await guard.replayed(session, actor, answer)


def remember(row: IdempotencyRow, response: Response) -> None:
    """Put the answer into the row of its request; one that must not be stored is left out."""
    row.status = response.status_code
    row.headers = {k: v for k, v in response.headers.items() if k != "content-length"}
    if hasattr(response, "body") and "no-store" not in response.headers.get("cache-control", ""):
        row.body = base64.b64encode(bytes(response.body)).decode()


async def drop_old_answers(db: Database) -> int:
    """Delete answers that are kept long enough; returns how many.

    Rows without an end (made before there was one) end a day after they were made.
    """
    at = now()
    old = UUID(int=(int((at - KEEP).timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))
    ended = or_(
        IdempotencyRow.expires_at <= at,
        IdempotencyRow.expires_at.is_(None) & (IdempotencyRow.id < old),
    )
    async with db.transaction() as session:
        gone = await session.execute(
            delete(IdempotencyRow).where(ended).returning(IdempotencyRow.id)
        )
        return len(gone.all())
