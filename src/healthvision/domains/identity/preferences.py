# SPDX-License-Identifier: Apache-2.0
"""A person's preferences, one row for each; of two writers the last one wins, key by key.

They belong to the person, not to an organisation: no other account ever reads or writes them.
"""

from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from healthvision.domains.identity.errors import NoSuchAccount
from healthvision.domains.identity.preference_schemas import PreferencesPatch, PreferencesRead
from healthvision.domains.identity.tables import Preference
from healthvision.kernel.clock import now
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

GROUPS = ("keys", "layouts", "windows")


def _person(actor: Actor) -> UUID:
    """Return the caller's account; raises NoSuchAccount for a program, which has none."""
    if actor.user_id is None:
        raise NoSuchAccount("only a person has preferences")
    return actor.user_id


async def get_preferences(session: Session, actor: Actor) -> PreferencesRead:
    """Return the caller's own preferences; raises NoSuchAccount."""
    found = select(Preference.name, Preference.value).where(Preference.user_id == _person(actor))
    document: dict[str, Any] = {}
    for name, value in (await session.execute(found.order_by(Preference.name))).all():
        group, _, key = name.partition(".")
        single = {key: value["value"]} if key else value["value"]
        if not _is_known({group: single}):
            continue  # of another version of the program
        if key:
            document.setdefault(group, {}).update(single)
        else:
            document[group] = single
    return PreferencesRead.model_validate(document)


def _is_known(document: dict[str, Any]) -> bool:
    try:
        PreferencesRead.model_validate(document)
    except ValidationError:
        return False
    return True


async def change_preferences(
    session: Session, actor: Actor, patch: PreferencesPatch
) -> PreferencesRead:
    """Set what is sent and take back what is sent as null; raises NoSuchAccount."""
    person = _person(actor)
    sent = patch.model_dump(mode="json", exclude_unset=True)
    for group, value in sent.items():
        if value is None and group in GROUPS:
            await _forget(session, person, group, whole=True)
        elif group in GROUPS:
            for key, single in value.items():
                await _set(session, person, f"{group}.{key}", single)
        else:
            await _set(session, person, group, value)
    return await get_preferences(session, actor)


async def _set(session: Session, person: UUID, name: str, value: Any) -> None:
    if value is None:
        await _forget(session, person, name, whole=False)
        return
    row = {"user_id": person, "name": name, "value": {"value": value}, "updated_at": now()}
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    new = (sqlite.insert if on_sqlite else postgresql.insert)(Preference).values(row)
    changed = {"value": new.excluded.value, "updated_at": new.excluded.updated_at}
    key = ["user_id", "name"]
    await session.execute(new.on_conflict_do_update(index_elements=key, set_=changed))


async def _forget(session: Session, person: UUID, name: str, *, whole: bool) -> None:
    named = Preference.name == name
    if whole:
        named = or_(named, Preference.name.startswith(f"{name}.", autoescape=True))
    await session.execute(delete(Preference).where(Preference.user_id == person, named))
