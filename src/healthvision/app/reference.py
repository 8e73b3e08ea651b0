# SPDX-License-Identifier: Apache-2.0
"""Pages that are made from the code: OpenAPI, settings, problems, permissions, conformance."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic_core import PydanticUndefined

import healthvision
from healthvision.app import conformance
from healthvision.app.api import create_app
from healthvision.app.modules import DOORS, MODULES
from healthvision.app.system import router as system_router
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.settings import RoomSettings


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of this version."""
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/never-opened.db")
        app = create_app(db, MODULES, [*DOORS, system_router], None)
        document: dict[str, Any] = app.openapi()
    return document


def _import_all() -> None:
    """Import every module: settings and problems are known by their classes."""
    for module in pkgutil.walk_packages(healthvision.__path__, "healthvision."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def problems() -> list[type[Problem]]:
    """Return every kind of problem of the package, by code."""
    _import_all()
    found, stack = [], [Problem]
    while stack:
        kind = stack.pop()
        found.append(kind)
        stack.extend(kind.__subclasses__())
    ours = (k for k in found if k.__module__.startswith("healthvision."))
    return sorted(ours, key=lambda k: k.code)


def _settings_page() -> str:
    _import_all()
    lines = [
        "# Settings",
        "",
        "Environment variable, or the field in the table of the TOML file named by `HV_CONFIG`.",
    ]
    for room, kind in sorted(RoomSettings.registry.items()):
        doc = (kind.__doc__ or "").splitlines()[0]
        lines += [
            "",
            f"## [{room}]",
            "",
            doc,
            "",
            "| Variable | Default | Meaning |",
            "|---|---|---|",
        ]
        prefix = str(kind.model_config.get("env_prefix", ""))
        for name, info in kind.model_fields.items():
            default = "(computed)" if info.default is PydanticUndefined else repr(info.default)
            lines.append(f"| `{prefix}{name.upper()}` | `{default}` | {info.description or ''} |")
    return "\n".join(lines) + "\n"


def _problems_page() -> str:
    lines = [
        "# Problems",
        "",
        "RFC 9457 documents; `type` is `urn:healthvision:problem:<code>`.",
        "",
    ]
    lines += ["| Code | Status | Title | When | Try again |", "|---|---|---|---|---|"]
    for kind in problems():
        when = (kind.__doc__ or "").splitlines()[0]
        again = "yes" if kind.retry else "no"
        lines.append(f"| `{kind.code}` | {kind.status} | {kind.title} | {when} | {again} |")
    return "\n".join(lines) + "\n"


def _permissions_page() -> str:
    lines = [
        "# Permissions",
        "",
        "Roles are made of these.",
        "",
        "| Permission | Allows |",
        "|---|---|",
    ]
    for module in MODULES:
        lines += [f"| `{name}` | {text} |" for name, text in sorted(module.permissions.items())]
    return "\n".join(lines) + "\n"


def pages() -> Iterator[tuple[str, str]]:
    """Yield (file name, content) of each page."""
    document = openapi()
    yield "openapi.json", json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    yield "settings.md", _settings_page()
    yield "problems.md", _problems_page()
    yield "permissions.md", _permissions_page()
    yield "conformance.md", conformance.page(document)


def write(folder: Path) -> list[Path]:
    """Write all pages into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in pages():
        path = folder / name
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written
