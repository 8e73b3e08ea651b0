# SPDX-License-Identifier: Apache-2.0
"""Who may hear of an event: one about a restricted space only those who may read there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from healthvision.domains.archive import repository
from healthvision.domains.identity import service as identity
from healthvision.domains.notify.ports import News
from healthvision.domains.spaces import service as spaces
from healthvision.domains.spaces.schemas import SpaceRead
from healthvision.kernel.db import Session


class Hearing:
    """The ``EventGuard`` of the installation."""

    async def may_hear(self, session: Session, org_id: UUID, account: str, news: News) -> bool:
        """Tell whether an account may hear of an event with its rights of now.

        An event that names a space, or a study that lies in no open space, is for accounts that
        may read there; of a study that is gone, for those who may read every restricted space.
        """
        places = await spaces.policies(session, org_id)
        restricted = {s.id for s in places.values() if s.restricted}
        if not restricted:
            return True
        wanted = await _places_of(session, org_id, news, places)
        if wanted is None or wanted - restricted:
            return True
        actor = await identity.standing(session, org_id, account)
        if actor is None:
            return False
        mine = {s.id for s in await spaces.visible(session, actor)}
        return bool(wanted & mine) if wanted else restricted <= mine


async def _places_of(
    session: Session, org_id: UUID, news: News, places: Mapping[UUID, SpaceRead]
) -> set[UUID] | None:
    """Return the spaces that an event is about; None when it is about no space or study.

    Empty: about a study of which is not known (any more) where it was.
    """
    if news.subject in places:  # an event of the space itself
        return {news.subject}
    named = _uuid(news.body.get("space_id"))
    if named is not None:
        return {named}
    study = _uuid(news.body.get("study_id"))
    if study is None and news.topic.startswith("archive.study_"):
        study = news.subject
    if study is None:
        return None
    rows = await repository.memberships(session, org_id, [study])
    return {row.space_id for row in rows}


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
