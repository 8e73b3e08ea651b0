# SPDX-License-Identifier: Apache-2.0
"""First accounts: for the person who installs, and for the demo."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.identity import service as identity
from healthvision.domains.identity.schemas import ApiKeyCreate
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class DemoPeople:
    """The demo's organisation, the API keys of its people and their passwords for the pages."""

    org_id: UUID
    admin_key: str
    doctor_key: str
    admin_password: str
    doctor_password: str


ADMIN = "admin@demo.invalid"
DOCTOR = "doctor@demo.invalid"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def typed_password() -> str:
    """Return a password that a person can type: some 74 random bits in groups of five."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(3))
    return "-".join(groups)


async def _key(session: Session, org_id: UUID, user_id: UUID, name: str, tier: str) -> str:
    actor = Actor(
        org_id=org_id,
        id=str(user_id),
        user_id=user_id,
        kind="system",
        permissions=frozenset({"*", "installation:admin"}),
        on_behalf_of="bootstrap",
    )
    new = ApiKeyCreate.model_validate({"name": name, "tier": tier})
    made = await identity.create_api_key(session, actor, new)
    return made.secret


async def bootstrap(
    core: CoreSettings, organisation: str, email: str, name: str, password: str | None
) -> dict[str, str | None]:
    """Make an organisation, its administrator and an API key; the key is shown only here.

    Safe to repeat: what exists is left as it is, and no second key is made.
    """
    schema.upgrade(core.resolved_database_url())
    async with open_process(core, MODULES) as db, db.transaction() as session:
        made = await identity.bootstrap(
            session,
            organisation=organisation,
            admin_email=email,
            admin_name=name,
            password=password,
        )
        await spaces.ensure_default(session, Actor.system(made.org_id))
        key = None
        if made.created:
            key = await _key(session, made.org_id, made.user_id, "first key", "standard")
        return {
            "organisation": str(made.org_id),
            "user": str(made.user_id),
            "password": made.password,
            "api_key": key,
        }


async def demo_people(core: CoreSettings) -> DemoPeople:
    """Make the demo's organisation with an administrator and a radiologist (tier 'service')."""
    schema.upgrade(core.resolved_database_url())
    admin_password, doctor_password = typed_password(), typed_password()
    async with open_process(core, MODULES) as db, db.transaction() as session:
        made = await identity.bootstrap(
            session,
            organisation="demo",
            admin_email=ADMIN,
            admin_name="Demo Administrator",
            password=admin_password,
        )
        org_id = made.org_id
        await spaces.ensure_default(session, Actor.system(org_id))
        doctor = await identity.create_user(
            session,
            Actor.system(org_id, on_behalf_of="bootstrap"),
            email=DOCTOR,
            name="Demo Radiologist",
            roles=["radiologist"],
            password=doctor_password,
        )
        admin_key = await _key(session, org_id, made.user_id, "demo", "service")
        doctor_key = await _key(session, org_id, doctor.id, "demo", "service")
        return DemoPeople(org_id, admin_key, doctor_key, admin_password, doctor_password)
