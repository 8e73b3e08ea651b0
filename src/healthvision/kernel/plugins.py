# SPDX-License-Identifier: Apache-2.0
"""Plugins through entry points; built-in ones come in by the same door."""

import importlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from healthvision.kernel.errors import NotFound


class PluginNotFound(NotFound):
    """No plugin of that kind has that name."""

    code, title = "plugin-not-found", "No such plugin"


class PluginBroken(NotFound):
    """The plugin is installed and cannot be imported."""

    code, title = "plugin-broken", "Plugin cannot be loaded"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One installed plugin, loaded or broken."""

    group: str
    name: str
    target: str
    distribution: str
    error: str | None


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {p.name: p for p in entry_points(group=f"healthvision.{group}")}


def names(group: str) -> list[str]:
    """Return the names of installed plugins of a group, e.g. 'applications'."""
    return sorted(_points(group))


@cache
def load(group: str, name: str) -> Any:
    """Return the plugin object; raises PluginNotFound or PluginBroken (with the reason)."""
    point = _points(group).get(name)
    if point is None:
        raise PluginNotFound(f"no plugin {name!r} in {group}", name=name)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise PluginBroken(f"plugin {name!r}: {error}", name=name) from error


def imported(target: str) -> Any:
    """Return what 'module:attribute' names; ImportError or AttributeError when there is none."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def target(group: str, name: str) -> str:
    """Return 'module:attribute' of a plugin, for a child process; raises PluginNotFound."""
    point = _points(group).get(name)
    if point is None:
        raise PluginNotFound(f"no plugin {name!r} in {group}", name=name)
    return point.value
