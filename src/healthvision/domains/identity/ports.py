# SPDX-License-Identifier: Apache-2.0
"""The catalogue of permissions that ``app/`` fills from every room's ``Module.permissions``."""

from collections.abc import Mapping


class PermissionCatalogue:
    """All permissions of this installation with one line of help each."""

    def __init__(self) -> None:
        self._help: dict[str, str] = {}

    def add(self, permissions: Mapping[str, str]) -> None:
        """Add a room's permissions."""
        self._help.update(permissions)

    def all(self) -> dict[str, str]:
        """Return permission -> help, sorted by name."""
        return dict(sorted(self._help.items()))

    def knows(self, pattern: str) -> bool:
        """Tell whether a permission, 'room:*' or '*' names something that exists."""
        if pattern == "*":
            return True
        if pattern.endswith(":*"):
            return any(p.startswith(pattern[:-1]) for p in self._help)
        return pattern in self._help
