# SPDX-License-Identifier: Apache-2.0
"""Looks at a kept answer of an earlier POST before its repeat gets it (Idempotency-Key)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from healthvision.domains.archive.errors import StudyNotFound
from healthvision.domains.archive.retrieving.reading import visible_study
from healthvision.domains.archive.tables import Study
from healthvision.domains.audit import service as audit
from healthvision.domains.spaces import service as spaces
from healthvision.kernel.db import Session
from healthvision.kernel.idempotency import KeptAnswer
from healthvision.kernel.security import Actor


class Replays:
    """The ``ReplayGuard`` of the installation."""

    async def replayed(self, session: Session, actor: Actor, answer: KeptAnswer) -> None:
        """Record that an answer is read again.

        Raises StudyNotFound when one of its studies or spaces is not visible to the caller (any
        more): what the answer says of it is then not for the caller.
        """
        wanted = _ids(answer, "study_id")
        studies = [await visible_study(session, actor, study_id) for study_id in wanted]
        places = _ids(answer, "space_id")
        if places and not set(places) <= {s.id for s in await spaces.visible(session, actor)}:
            raise StudyNotFound("what the kept answer tells of is not there any more")
        await _record(session, actor, answer, studies)


async def _record(session: Session, actor: Actor, answer: KeptAnswer, studies: list[Study]) -> None:
    one = studies[0] if len(studies) == 1 else None
    made = answer.document.get("id") if isinstance(answer.document, dict) else None
    detail: dict[str, Any] = {"route": answer.route}
    if one is None and studies:
        detail["studies"] = [str(s.id) for s in studies]
    await audit.record(
        session,
        actor,
        "archive.answer_replayed",
        made if one is None else one.id,
        kind="" if one is None else "study",
        patient_id=None if one is None else one.patient_ref,
        detail=detail,
        category="access",
    )


def _ids(answer: KeptAnswer, name: str) -> list[UUID]:
    """Return the ids under a name in the path and anywhere in the document, each once."""
    found = {answer.parameters.get(name)} | set(_values(answer.document, name))
    return sorted({u for u in map(_uuid, found) if u is not None})


def _values(document: Any, name: str) -> Iterator[Any]:
    """Yield what a JSON document holds under a name, at any depth."""
    if isinstance(document, list):
        for part in document:
            yield from _values(part, name)
    elif isinstance(document, dict):
        for key, part in document.items():
            if key == name and isinstance(part, str):
                yield part
            else:
                yield from _values(part, name)


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (TypeError, ValueError):
        return None
