# SPDX-License-Identifier: Apache-2.0
"""Channel settings at rest: encrypted with a key derived from the master key."""

import base64
import secrets
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, SecretStr

from healthvision.kernel import strictjson
from healthvision.kernel.db import Database
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.resources import Resources
from healthvision.kernel.settings import CoreSettings

NONCE_BYTES = 12


def _key(resources: Resources) -> AESGCM:
    if not resources.has(MasterKey):
        core = resources.get(CoreSettings)
        resources.put(MasterKey, MasterKey.load_or_create(core.master_key_file))
    return AESGCM(resources.get(MasterKey).derive(b"notify"))


def prepare(db: Database) -> None:
    """Make sure that the key is there, so that a missing one is found at the start."""
    _key(db.resources)


def revealed(value: Any) -> Any:
    """Return settings as JSON values with their secrets."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {name: revealed(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(k): revealed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def masked(value: Any) -> Any:
    """Return settings as JSON values without their secrets."""
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, BaseModel):
        return {name: masked(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(k): masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def seal(resources: Resources, subscription: UUID, config: BaseModel) -> str:
    """Return the settings encrypted (AES-256-GCM) and bound to the subscription."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    plain = strictjson.dumps(revealed(config)).encode()
    return base64.b64encode(
        nonce + _key(resources).encrypt(nonce, plain, subscription.bytes)
    ).decode()


def unseal(resources: Resources, subscription: UUID, sealed: str) -> dict[str, Any]:
    """Return the settings; cryptography's InvalidTag when row or key were changed."""
    raw = base64.b64decode(sealed)
    nonce, cipher = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    plain = _key(resources).decrypt(nonce, cipher, subscription.bytes)
    found: dict[str, Any] = strictjson.loads(plain)
    return found
