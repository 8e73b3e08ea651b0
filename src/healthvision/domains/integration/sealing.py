# SPDX-License-Identifier: Apache-2.0
"""Destination settings at rest, and shown: secrets encrypted with a key of the master key."""

import base64
from typing import Any
from uuid import UUID

from pydantic import BaseModel, SecretStr

from healthvision.kernel import strictjson
from healthvision.kernel.crypto import open_small, seal_small
from healthvision.kernel.db import Database
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.resources import Resources
from healthvision.kernel.settings import CoreSettings

HIDDEN = "***"


def _key(resources: Resources) -> bytes:
    if not resources.has(MasterKey):
        core = resources.get(CoreSettings)
        resources.put(MasterKey, MasterKey.load_or_create(core.master_key_file))
    return resources.get(MasterKey).derive(b"integration")


def prepare(db: Database) -> None:
    """Make sure that the key is there, so that a missing one is found at the start."""
    _key(db.resources)


def revealed(config: BaseModel) -> dict[str, Any]:
    """Return settings as JSON values with their secrets."""
    return {name: _plain(value) for name, value in config}


def masked(config: BaseModel) -> dict[str, Any]:
    """Return settings as JSON values; a secret is ``HIDDEN``, or '' when there is none."""
    return {
        name: (HIDDEN if value.get_secret_value() else "")
        if isinstance(value, SecretStr)
        else _plain(value)
        for name, value in config
    }


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def seal(resources: Resources, destination: UUID, config: BaseModel) -> str:
    """Return the settings encrypted (AES-256-GCM) and bound to the destination."""
    text = strictjson.dumps(revealed(config)).encode()
    return base64.b64encode(seal_small(_key(resources), text, destination.bytes)).decode()


def unseal(resources: Resources, destination: UUID, sealed: str) -> dict[str, Any]:
    """Return the settings with their secrets; raises Damaged when row or key were changed."""
    raw = open_small(_key(resources), base64.b64decode(sealed), destination.bytes)
    found: dict[str, Any] = strictjson.loads(raw)
    return found
