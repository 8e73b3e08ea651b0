# SPDX-License-Identifier: Apache-2.0
"""Whether the settings can be used: every bad one in one line, and names that nobody reads."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from healthvision.kernel.settings import CONFIG_FILE_VARIABLE, RoomSettings

# Read by the tests, by the deployment files and by the build, not by a room.
FOREIGN = frozenset(
    {
        CONFIG_FILE_VARIABLE,
        "HV_SHARED",
        "HV_TLS_PEM",
        "HV_BIND",
        "HV_API_1",
        "HV_API_2",
        "HV_SKIP_WEB",
    }
)
FOREIGN_PREFIX = "HV_TEST_"
Rooms = dict[str, type[RoomSettings]]


def variable(kind: type[RoomSettings], field: str) -> str:
    """Return the environment variable of a field."""
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def explain(error: ValidationError) -> list[str] | None:
    """Return a line for each wrong setting, without its value; None: not about settings."""
    kinds = [k for k in RoomSettings.registry.values() if k.__name__ == error.title]
    if not kinds:
        return None
    kind = kinds[0]
    lines = []
    for found in error.errors(include_input=False, include_url=False):
        if found["type"] == "default_factory_not_called":
            continue  # a default that is made from the wrong value
        field = str(found["loc"][0]) if found["loc"] else ""
        lines.append(f"{variable(kind, field)} ('{field}' in [{kind.room}]): {found['msg']}")
    return lines


def file_faults() -> list[str]:
    """Return what is wrong with the configuration file as a whole; empty is right."""
    try:
        content = _toml()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        path = os.environ.get(CONFIG_FILE_VARIABLE)
        if isinstance(error, OSError):
            return [f"{CONFIG_FILE_VARIABLE}: {path}: {error.strerror}"]
        return [f"{CONFIG_FILE_VARIABLE}: {path} is no TOML: {error}"]
    loose = [k for k, v in content.items() if not isinstance(v, dict)]
    if loose:
        name = loose[0]
        return [f"{CONFIG_FILE_VARIABLE}: '{name}' belongs into a table such as [core]"]
    return []


def faults(rooms: Rooms | None = None) -> list[str]:
    """Return a line for each setting that cannot be used; empty is right."""
    broken = file_faults()
    if broken:
        return broken
    lines: list[str] = []
    for kind in (RoomSettings.registry if rooms is None else rooms).values():
        try:
            kind()
        except ValidationError as error:
            lines += explain(error) or [f"[{kind.room}]: {len(error.errors())} wrong values"]
        except SettingsError as error:
            lines.append(f"[{kind.room}]: {error}; lists and tables are written as JSON")
    return lines


def unknown(rooms: Rooms | None = None) -> list[str]:
    """Return the ``HV_...`` variables and the TOML tables and keys that no room reads."""
    known = RoomSettings.registry if rooms is None else rooms
    variables = {variable(kind, field) for kind in known.values() for field in kind.model_fields}
    strange = [
        name
        for name in sorted(os.environ)
        if name.upper().startswith("HV_")
        and name.upper() not in variables | FOREIGN
        and not name.upper().startswith(FOREIGN_PREFIX)
    ]
    return strange + list(_strange_toml(known))


def _strange_toml(known: Rooms) -> Iterator[str]:
    for table, content in _toml().items():
        if table not in known:
            yield f"[{table}]"
        elif isinstance(content, dict):
            yield from (f"[{table}] {k}" for k in content if k not in known[table].model_fields)


def _toml() -> dict[str, object]:
    path = os.environ.get(CONFIG_FILE_VARIABLE)
    if not path:
        return {}
    with Path(path).open("rb") as file:
        return tomllib.load(file)
