# SPDX-License-Identifier: Apache-2.0
"""Presigned access to one object."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Presigned:
    """A URL that carries its own right, and the headers that must be sent with it."""

    method: str
    url: str
    expires_at: datetime
    headers: dict[str, str] = field(default_factory=dict)
