# SPDX-License-Identifier: Apache-2.0
"""Tenants: made by the installation administrator, seen by their own people only."""

from uuid import UUID

from healthvision.domains.audit import service as audit
from healthvision.domains.identity import people, repository
from healthvision.domains.identity.cache import forget_accounts
from healthvision.domains.identity.clients import ensure_command_line_client
from healthvision.domains.identity.credentials import fold_email, new_secret
from healthvision.domains.identity.errors import NoSuchAccount
from healthvision.domains.identity.events import OrganisationCreated as OrganisationCreatedEvent
from healthvision.domains.identity.granting import require_installation_admin
from healthvision.domains.identity.roles import INSTALLATION_ADMIN
from healthvision.domains.identity.schemas import (
    BootstrapRead,
    InviteCreate,
    OrganisationCreate,
    OrganisationCreated,
    OrganisationPatch,
    OrganisationRead,
)
from healthvision.domains.identity.tables import Organisation, User
from healthvision.kernel import events
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Session
from healthvision.kernel.paging import cursor_id, next_id
from healthvision.kernel.schemas import Page
from healthvision.kernel.security import Actor


def _read(row: Organisation) -> OrganisationRead:
    return OrganisationRead(
        id=row.id,
        name=row.name,
        title=row.title,
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
    )


async def _create(session: Session, actor: Actor, name: str, title: str) -> Organisation:
    row = Organisation(id=new_id(), name=name, title=title, created_at=now())
    await repository.add(session, row, taken=f"name: there is an organisation {name}")
    inside = actor.in_org(row.id)
    await audit.record(
        session, inside, "identity.organisation_created", row.id, kind="organisation"
    )
    event = OrganisationCreatedEvent(org_id=row.id, subject=row.id)
    await events.publish(session, inside, event)
    return row


async def create_organisation(
    session: Session, actor: Actor, new: OrganisationCreate
) -> OrganisationCreated:
    """Make a tenant and invite its administrator; installation administrator only.

    Raises Forbidden, NameTaken. Publishes ``identity.organisation_created.v1``.
    """
    require_installation_admin(actor)
    row = await _create(session, actor, new.name, new.title)
    invited = InviteCreate(email=new.admin_email, name=new.admin_name, roles=["admin"])
    invite = await people.invite(session, Actor.system(row.id, on_behalf_of=actor.id), invited)
    return OrganisationCreated(organisation=_read(row), invite=invite)


async def list_organisations(
    session: Session, actor: Actor, *, cursor: str | None, limit: int
) -> Page[OrganisationRead]:
    """Return the caller's organisation, or all of them to the installation administrator."""
    if INSTALLATION_ADMIN not in actor.permissions:
        own = await repository.organisation(session, actor.org_id)
        return Page(items=[_read(own)], next=None, total=1)
    rows = await repository.organisations(session, cursor_id(cursor), limit + 1)
    items = [_read(r) for r in rows[:limit]]
    return Page(items=items, next=next_id(rows, limit), total=None)


async def get_organisation(session: Session, actor: Actor, org_id: UUID) -> OrganisationRead:
    """Return an organisation; strangers get NoSuchAccount."""
    return _read(await _visible(session, actor, org_id))


async def _visible(session: Session, actor: Actor, org_id: UUID) -> Organisation:
    if org_id != actor.org_id and INSTALLATION_ADMIN not in actor.permissions:
        raise NoSuchAccount("there is no such organisation")
    return await repository.organisation(session, org_id)


async def patch_organisation(
    session: Session, actor: Actor, org_id: UUID, patch: OrganisationPatch
) -> OrganisationRead:
    """Change the title, or disable and enable (installation administrator only)."""
    row = await _visible(session, actor, org_id)
    before = _read(row)
    if patch.title is not None:
        row.title = patch.title
    if patch.disabled is not None:
        require_installation_admin(actor)
        row.disabled_at = (row.disabled_at or now()) if patch.disabled else None
        forget_accounts(session)
    await session.flush()
    after = _read(row)
    await audit.record(
        session,
        actor.in_org(org_id),
        "identity.organisation_changed",
        org_id,
        kind="organisation",
        before=before.model_dump(mode="json"),
        after=after.model_dump(mode="json"),
    )
    return after


async def bootstrap(
    session: Session,
    *,
    organisation: str,
    admin_email: str,
    admin_name: str,
    password: str | None = None,
    title: str | None = None,
) -> BootstrapRead:
    """Make an organisation, its administrator and the command-line client; safe to run twice.

    The administrator becomes the installation's administrator when it is the first person of the
    installation. Without a password one is made and returned this once. What exists is left as
    it is. Used by the command line and the demo, never by a route.
    """
    await ensure_command_line_client(session)
    first = not await repository.any_user(session)
    org = await repository.organisation_by_name(session, organisation)
    if org is None:
        nobody = Actor.system(UUID(int=0), on_behalf_of="bootstrap")
        org = await _create(session, nobody, organisation, title or organisation)
    user = await repository.user_by_email(session, fold_email(admin_email))
    if user is not None and await repository.place(session, org.id, user.id) is not None:
        return BootstrapRead(org_id=org.id, user_id=user.id, created=False, password=None)
    made = None if password is not None or user is not None else new_secret()
    actor = Actor.system(org.id, on_behalf_of="bootstrap")
    read = await people.create_user(
        session,
        actor,
        email=admin_email,
        name=admin_name,
        roles=["admin"],
        password=password or made,
    )
    if first:
        (await session.get_one(User, read.id)).installation_admin = True
        await session.flush()
    return BootstrapRead(org_id=org.id, user_id=read.id, created=True, password=made)
