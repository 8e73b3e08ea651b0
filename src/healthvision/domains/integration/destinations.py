# SPDX-License-Identifier: Apache-2.0
"""Destinations of an organisation: made, changed, tested, removed."""

from typing import Any
from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.integration import couriers, destination_rows, sealing
from healthvision.domains.integration.errors import DestinationInvalid
from healthvision.domains.integration.ports import Courier, PushFailed, Way
from healthvision.domains.integration.schemas import (
    DestinationChange,
    DestinationCreate,
    DestinationKind,
    DestinationRead,
    Trial,
)
from healthvision.domains.integration.tables import Destination
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.clock import monotonic, new_id, now
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.errors import Invalid, Problem
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import logger

READ, WRITE, SEND = "destinations:read", "destinations:write", "destinations:send"
_log = logger("integration.destinations")


def _summary(row: Destination) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "spaces": row.spaces,
        "profile": row.profile,
        "enabled": row.enabled,
        "automatic": row.automatic,
        "commit": row.commit,
    }


async def _space_ids(session: Session, actor: Actor, wanted: list[str]) -> list[str]:
    return [str((await spaces.get(session, actor, one)).id) for one in dict.fromkeys(wanted)]


def _check_commit(courier: Courier, commit: bool) -> None:
    if commit and not hasattr(courier, "ask"):
        raise DestinationInvalid("commit: this kind of destination has no storage commitment")


async def create(session: Session, actor: Actor, new: DestinationCreate) -> DestinationRead:
    """Make a destination.

    Raises PluginNotFound, DestinationInvalid, DestinationExists, SpaceNotFound, AeNotFound.
    """
    actor.require(WRITE)
    resources = resources_of(session)
    courier = couriers.find(resources, new.kind)
    config = couriers.validated(courier, new.config)
    _check_commit(courier, new.commit)
    await courier.check(session, actor, config)
    row = Destination(
        id=new_id(),
        org_id=actor.org_id,
        created_at=now(),
        name=new.name,
        kind=new.kind,
        config=sealing.masked(config),
        sealed="",
        spaces=await _space_ids(session, actor, new.spaces),
        profile=new.profile.model_dump(),
        enabled=new.enabled,
        automatic=new.automatic,
        commit=new.commit,
        created_by=actor.id,
    )
    row.sealed = sealing.seal(resources, row.id, config)
    await destination_rows.add(session, row)
    await audit.record(
        session,
        actor,
        "integration.destination_created",
        row.id,
        kind="destination",
        after=_summary(row),
    )
    return DestinationRead.model_validate(row)


async def get(session: Session, actor: Actor, wanted: UUID) -> DestinationRead:
    """Return one destination; raises DestinationNotFound."""
    actor.require(READ)
    row = await destination_rows.destination(session, actor.org_id, wanted)
    return DestinationRead.model_validate(row)


async def list_all(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[DestinationRead]:
    """Return a page of the organisation's destinations, oldest first."""
    actor.require(READ)
    after = cursor_id(cursor)
    rows = await destination_rows.destinations(session, actor.org_id, after=after, limit=limit + 1)
    items = [DestinationRead.model_validate(r) for r in rows[:limit]]
    return Page[DestinationRead](items=items, next=next_id(rows, limit), total=None)


def kinds(session: Session) -> list[DestinationKind]:
    """Return the kinds of destinations with the shape of their settings."""
    resources = resources_of(session)
    return [
        DestinationKind(name=name, config=couriers.find(resources, name).config.model_json_schema())
        for name in couriers.names(resources)
    ]


async def change(
    session: Session, actor: Actor, wanted: UUID, changes: DestinationChange
) -> DestinationRead:
    """Change a destination; only the fields that were sent. Errors as of ``create``."""
    actor.require(WRITE)
    row = await destination_rows.destination(session, actor.org_id, wanted)
    before = _summary(row)
    sent = {name: getattr(changes, name) for name in changes.model_fields_set}
    if any(value is None for value in sent.values()):
        raise Invalid("a field may be left out, not set to null")
    if "spaces" in sent:
        sent["spaces"] = await _space_ids(session, actor, sent["spaces"])
    if "profile" in sent:
        sent["profile"] = sent["profile"].model_dump()
    config = sent.pop("config", None)
    for name, value in sent.items():
        setattr(row, name, value)
    await _replace_config(session, actor, row, config)
    row.updated_at = now()
    await destination_rows.flush(session)
    await audit.record(
        session,
        actor,
        "integration.destination_changed",
        row.id,
        kind="destination",
        before=before,
        after=_summary(row) | {"config_changed": config is not None},
    )
    return DestinationRead.model_validate(row)


async def _replace_config(
    session: Session, actor: Actor, row: Destination, given: dict[str, Any] | None
) -> None:
    resources = resources_of(session)
    courier = couriers.find(resources, row.kind)
    _check_commit(courier, row.commit)
    if given is None:
        return
    kept = sealing.unseal(resources, row.id, row.sealed)
    hidden = {n for n, value in row.config.items() if value == sealing.HIDDEN}
    given |= {n: kept[n] for n in hidden if given.get(n, sealing.HIDDEN) == sealing.HIDDEN}
    config = couriers.validated(courier, given)
    await courier.check(session, actor, config)
    row.config = sealing.masked(config)
    row.sealed = sealing.seal(resources, row.id, config)


async def remove(session: Session, actor: Actor, wanted: UUID) -> None:
    """Delete a destination with its deliveries; raises DestinationNotFound."""
    actor.require(WRITE)
    row = await destination_rows.destination(session, actor.org_id, wanted)
    before = _summary(row)
    await destination_rows.remove(session, row)
    await audit.record(
        session,
        actor,
        "integration.destination_removed",
        wanted,
        kind="destination",
        before=before,
    )


async def test(db: Database, actor: Actor, wanted: UUID) -> Trial:
    """Call a destination without sending anything (C-ECHO, or a search for one study).

    Takes a database since nothing may be locked while the other side thinks. Raises
    DestinationNotFound; a destination that does not answer is an outcome, no error.
    """
    actor.require(WRITE)
    async with db.reading() as session:
        row = await destination_rows.destination(session, actor.org_id, wanted)
    begun = monotonic()
    try:
        courier, config = couriers.opened(db.resources, row)
        ok, detail = True, await courier.test(Way(db, actor), config)
    except PushFailed as failure:
        ok, detail = False, failure.reason
    except Problem as problem:
        ok, detail = False, problem.detail
    except Exception as error:  # the border of a plugin
        _log.error("courier broken", kind=row.kind, error=type(error).__name__)
        ok, detail = False, f"the plugin raised {type(error).__name__}"
    await audit.record_now(
        db,
        actor,
        "integration.destination_tested",
        row.id,
        kind="destination",
        outcome="success" if ok else "failed",
        detail={"detail": detail[:200]},
    )
    milliseconds = round((monotonic() - begun) * 1000)
    return Trial(ok=ok, detail=detail[:300], milliseconds=milliseconds)
