# SPDX-License-Identifier: Apache-2.0
"""Taking a model into use and out of it, noted in the log of every organisation.

Models are for the whole installation, so each organisation finds in its own log what was added
and retired, and by whom. What cannot be noted is not done. The shelf is changed after the notes
are written and before they are committed; when the commit fails, the shelf is put back. A process
that dies between the two leaves the change without its note.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import service as identity
from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.shelf import Entry, Shelf, Stored
from healthvision.domains.modelhub.threads import to_end
from healthvision.kernel.db import DatabaseUnavailable, Session
from healthvision.kernel.security import Actor

Opened = Callable[[], AbstractAsyncContextManager[Session]]  # a transaction
Also = Callable[[Session], Awaitable[None]]


async def serve(
    opened: Opened, shelf: Shelf, staged: Stored, who: str, also: Also | None = None
) -> Stored:
    """Serve a staged version from now on. ``also``: what else is written in that transaction.

    When the log cannot be written the model is not served and its staged files are dropped.
    Raises ModelExists, ModelChanged, DatabaseUnavailable.
    """
    entry = staged.entry
    served = bool(shelf.active(entry.id, entry.version))
    stored: list[Stored] = []
    try:
        async with opened() as session:
            if also is not None:
                await also(session)
            await note(session, "modelhub.model_added", [entry], who)
            await to_end(lambda: stored.append(shelf.publish(staged)))
    except BaseException:
        await to_end(lambda: _undo(shelf, staged, was_added=bool(stored) and not served))
        raise
    return stored[0]


def _undo(shelf: Shelf, staged: Stored, *, was_added: bool) -> None:
    if was_added:
        shelf.bring_back([staged.entry], "retired")
    shelf.drop(staged)


async def retire(
    opened: Opened, shelf: Shelf, model_id: str, version: str | None, who: str
) -> list[Entry]:
    """Take a model (None: all its versions) out of use; its results and files stay.

    When the log cannot be written it stays in use. Raises ApplicationNotFound,
    DatabaseUnavailable.
    """
    gone = adding.in_use(shelf, model_id, version)
    retired: list[Entry] = []

    def out() -> None:
        for entry in gone:
            retired.extend(shelf.retire(entry.id, entry.version))

    try:
        async with opened() as session:
            await note(session, "modelhub.model_retired", gone, who)
            await to_end(out)
    except BaseException:
        if retired:
            await to_end(lambda: shelf.bring_back(retired, "active"))
        raise
    return retired


async def note(session: Session, action: str, entries: list[Entry], who: str) -> None:
    """Write the act into the log of every organisation; refuse when there is none."""
    rights = frozenset({"installation:admin"})
    someone = Actor(org_id=UUID(int=0), id="system", kind="system", permissions=rights)
    cursor, noted = None, 0
    while True:
        page = await identity.list_organisations(session, someone, cursor=cursor, limit=200)
        for organisation in page.items:
            actor = Actor.system(organisation.id, on_behalf_of=who)
            for entry in entries:
                detail = {"version": entry.version, "description_sha256": entry.sha256}
                await audit.record(session, actor, action, entry.id, kind="model", detail=detail)
                noted += 1
        cursor = page.next
        if cursor is None:
            break
    if not noted:
        raise DatabaseUnavailable(
            "there is no organisation, so this could not be noted in a log: run healthvision "
            "account bootstrap first"
        )
    await session.flush()
