# SPDX-License-Identifier: Apache-2.0
"""Finding destination plugins and checking their settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from healthvision.domains.integration import sealing
from healthvision.domains.integration.errors import DestinationInvalid
from healthvision.domains.integration.ports import Courier, Couriers
from healthvision.domains.integration.tables import Destination
from healthvision.kernel import plugins
from healthvision.kernel.resources import Resources

GROUP = "destinations"


def names(resources: Resources) -> list[str]:
    """Return the kinds of destinations of this installation."""
    by_hand = resources.get(Couriers).by_name if resources.has(Couriers) else {}
    return sorted({*by_hand, *plugins.names(GROUP)})


def find(resources: Resources, name: str) -> Courier:
    """Return a courier; raises PluginNotFound or PluginBroken (404)."""
    if resources.has(Couriers):
        found = resources.get(Couriers).by_name.get(name)
        if found is not None:
            return found
    courier: Courier = plugins.load(GROUP, name)
    return courier


def validated(courier: Courier, config: Mapping[str, Any]) -> BaseModel:
    """Return checked settings; raises DestinationInvalid, whose text holds no value."""
    try:
        return courier.config.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(p) for p in ("config", *first["loc"]))
        raise DestinationInvalid(f"{place}: {first['msg']}") from None


def opened(resources: Resources, row: Destination) -> tuple[Courier, BaseModel]:
    """Return the courier of a destination and its settings with their secrets.

    Raises PluginNotFound, PluginBroken, Damaged, DestinationInvalid.
    """
    courier = find(resources, row.kind)
    return courier, validated(courier, sealing.unseal(resources, row.id, row.sealed))
