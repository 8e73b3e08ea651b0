# SPDX-License-Identifier: Apache-2.0
"""Who reads: verdicts and reports are of people, under the name they had then."""

from healthvision.domains.identity import service as identity
from healthvision.domains.identity.errors import NoSuchAccount
from healthvision.domains.reading.errors import OnlyPeopleSign
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor


def person_of(actor: Actor) -> str:
    """Return the id under which the caller's verdicts and reports are kept."""
    return str(actor.user_id or actor.id)


def need_person(actor: Actor) -> str:
    """Return the id of the person who acts; raises OnlyPeopleSign for programs."""
    if actor.user_id is None or actor.kind != "user":
        raise OnlyPeopleSign("verdicts and reports are given by people, with an account of theirs")
    return str(actor.user_id)


async def name_of(session: Session, actor: Actor) -> str:
    """Return the name of the person who acts, as it goes under a signature."""
    if actor.user_id is None:
        return actor.id
    try:
        return (await identity.get_user(session, actor, actor.user_id)).name
    except NoSuchAccount:
        return actor.id


async def institution_of(session: Session, actor: Actor) -> str:
    """Return the name of the actor's organisation, '' when it is not known."""
    try:
        ours = await identity.get_organisation(session, actor, actor.org_id)
    except NoSuchAccount:
        return ""
    return ours.title or ours.name
