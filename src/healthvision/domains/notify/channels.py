# SPDX-License-Identifier: Apache-2.0
"""Finding channels; the inbox is the one channel that lives in the room itself."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from healthvision.domains.notify.errors import ChannelConfigInvalid
from healthvision.domains.notify.ports import NEW, Channel, Channels
from healthvision.kernel import plugins
from healthvision.kernel.resources import Resources
from healthvision.kernel.schemas import Input

GROUP = "channels"
INBOX = "inapp"


class InboxConfig(Input):
    """Whose inbox; empty: the subscriber's own."""

    user_ids: list[UUID] = Field(default_factory=list, max_length=200)


def names(resources: Resources) -> list[str]:
    """Return the names of all channels of this installation."""
    by_hand = resources.get(Channels).by_name if resources.has(Channels) else {}
    return sorted({INBOX, *by_hand, *plugins.names(GROUP)})


def find(resources: Resources, name: str) -> Channel:
    """Return a channel; raises PluginNotFound or PluginBroken (404)."""
    if resources.has(Channels):
        found = resources.get(Channels).by_name.get(name)
        if found is not None:
            return found
    channel: Channel = plugins.load(GROUP, name)
    return channel


def config_type(resources: Resources, name: str) -> type[BaseModel]:
    """Return the shape of a channel's settings; raises PluginNotFound."""
    return InboxConfig if name == INBOX else find(resources, name).config


def validated(
    resources: Resources, name: str, config: dict[str, Any], *, new: bool = False
) -> BaseModel:
    """Return checked settings; raises ChannelConfigInvalid, whose text holds no value.

    ``new``: a caller gives them now; channels then also refuse what they could never reach.
    """
    try:
        return config_type(resources, name).model_validate(config, context={NEW: new})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(p) for p in ("config", *first["loc"]))
        raise ChannelConfigInvalid(f"{place}: {first['msg']}") from None
