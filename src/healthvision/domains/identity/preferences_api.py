# SPDX-License-Identifier: Apache-2.0
"""The caller's own preferences: /v1/me/preferences."""

from typing import Annotated

from fastapi import Request, Response

from healthvision.domains.identity import preferences
from healthvision.domains.identity.preference_schemas import PreferencesPatch, PreferencesRead
from healthvision.kernel.http import (
    SessionDep,
    check_if_match,
    error_responses,
    etag_of,
    requires,
)
from healthvision.kernel.http import router as make_router
from healthvision.kernel.security import Actor

router = make_router("/v1", "user")
Known = Annotated[Actor, requires(None)]


@router.get("/me/preferences", responses=error_responses(404))
async def get_my_preferences(actor: Known, session: SessionDep) -> PreferencesRead:
    """Return the caller's preferences; they follow the person to every browser."""
    return await preferences.get_preferences(session, actor)


@router.patch("/me/preferences", responses=error_responses(404, 412))
async def change_my_preferences(
    patch: PreferencesPatch, actor: Known, session: SessionDep, request: Request, response: Response
) -> PreferencesRead:
    """Change some preferences: what is not sent stays, null takes one back to the default.

    Of two writers the last one wins, key by key. With If-Match, 412 when anything was changed
    since it was read.
    """
    check_if_match(request, await preferences.get_preferences(session, actor))
    changed = await preferences.change_preferences(session, actor, patch)
    response.headers["ETag"] = etag_of(changed.model_dump(mode="json"))
    return changed
