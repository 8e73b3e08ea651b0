# SPDX-License-Identifier: Apache-2.0
"""Descriptions of well-known networks, to be completed with weights that the user brings."""

from importlib import resources
from pathlib import Path

from healthvision.domains.modelhub.errors import DescriptionInvalid, ModelExists

_FOLDER = resources.files("healthvision.domains.modelhub") / "adapters"
_SUFFIX = ".yaml"
TARGET = "model.yaml"


def names() -> list[str]:
    """Return the names of the templates."""
    found = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))


def text(name: str) -> str:
    """Return a template as YAML, its comments with it; raises DescriptionInvalid."""
    if name not in names():
        raise DescriptionInvalid(f"no template of that name; there are {', '.join(names())}")
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def write(name: str, folder: Path) -> Path:
    """Write a template into a folder; raises DescriptionInvalid, ModelExists when one is there."""
    said = text(name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / TARGET
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(said)
    except FileExistsError:
        raise ModelExists(f"there is a {target} already") from None
    return target
