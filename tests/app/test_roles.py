# SPDX-License-Identifier: Apache-2.0
"""Roles and permissions of the whole installation."""

import re
from pathlib import Path

import healthvision
from healthvision.app.modules import MODULES
from healthvision.domains.identity.roles import BUILT_IN

PACKAGE = Path(healthvision.__file__).parent


def _declared() -> set[str]:
    return {p for m in MODULES for p in m.permissions}


class TestPermissions:
    def test_every_built_in_role_is_made_of_permissions_that_exist(self) -> None:
        used = {p for role in BUILT_IN.values() for p in role.permissions} - {"*"}
        assert used - _declared() == set()

    def test_every_permission_that_is_asked_for_is_declared(self) -> None:
        asked: set[str] = set()
        for path in PACKAGE.rglob("*.py"):
            found = re.findall(r'requires?\(\s*"([a-z_]+:[a-z_]+)"', path.read_text("utf-8"))
            asked.update(found)
        assert len(asked) > 15
        assert asked - _declared() == set()

    def test_every_permission_is_named_once(self) -> None:
        names = [p for m in MODULES for p in m.permissions]
        assert len(names) == len(set(names))
