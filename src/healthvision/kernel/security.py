# SPDX-License-Identifier: Apache-2.0
"""Who acts: passed to every service function and event handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from healthvision.kernel.errors import Forbidden

ActorKind = Literal["user", "service", "device", "system"]
ALL_PERMISSIONS = "*"
UI_SESSION = "ui:"  # how the session id of the web interface begins


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, service, modality or the system itself, acting inside one organisation.

    ``id``: user id, API-key/client id, AE title or 'system'; ``account_id`` is what quotas
    count. ``permissions``: e.g. 'studies:read'; '*' means all of the organisation.
    """

    org_id: UUID
    id: str
    kind: ActorKind
    permissions: frozenset[str] = field(default_factory=frozenset)
    user_id: UUID | None = None
    tier: str = "standard"
    address: str | None = None  # network address of the caller
    request_id: str | None = None
    trace_id: str | None = None
    on_behalf_of: str | None = None
    session_id: str | None = None

    @property
    def account_id(self) -> str:
        """Return the key that quotas count."""
        return f"{self.org_id}:{self.id}"

    @property
    def at_interface(self) -> bool:
        """Tell whether a person calls with the session of the web interface."""
        return (self.session_id or "").startswith(UI_SESSION)

    def can(self, permission: str) -> bool:
        """Tell whether the permission is held, directly, as 'room:*' or as '*'."""
        room = permission.split(":", 1)[0]
        return not self.permissions.isdisjoint({permission, f"{room}:*", ALL_PERMISSIONS})

    def require(self, permission: str) -> None:
        """Raise Forbidden unless the permission is held."""
        if not self.can(permission):
            raise Forbidden(f"this needs the permission {permission}", permission=permission)

    @classmethod
    def system(cls, org_id: UUID, on_behalf_of: str | None = None) -> "Actor":
        """Return the system acting inside an organisation, e.g. in an event handler."""
        return cls(
            org_id=org_id,
            id="system",
            kind="system",
            permissions=frozenset({ALL_PERMISSIONS}),
            tier="service",
            on_behalf_of=on_behalf_of,
        )

    def in_org(self, org_id: UUID) -> "Actor":
        """Return the same actor inside another organisation (used by tests and the system)."""
        return replace(self, org_id=org_id)


Renewal = Callable[[], Awaitable[Actor]]  # the caller of a long answer, as of now
