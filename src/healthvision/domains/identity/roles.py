# SPDX-License-Identifier: Apache-2.0
"""Built-in roles and the arithmetic of permissions ('room:verb', 'room:*', '*')."""

from collections.abc import Iterable
from dataclasses import dataclass

from healthvision.kernel.security import ALL_PERMISSIONS, Actor

INSTALLATION_ADMIN = "installation:admin"
OIDC_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True, slots=True)
class BuiltInRole:
    """A role that every organisation has."""

    title_en: str
    title_zh: str
    permissions: frozenset[str]


_VIEW = frozenset(
    {
        "patients:read",
        "studies:read",
        "analysis:read",
        "results:read",
        "models:read",
        "notify:read",
        "reading:read",
        "verdicts:read",
        "reports:read",
    }
)
_BRING = frozenset({"studies:write"})
_WORK = frozenset({"analysis:run", "notify:write", "destinations:read", "destinations:send"})
_PLAN = frozenset({"schedule:read", "schedule:write"})
_READ = frozenset(
    {"verdicts:write", "reports:write", "reports:review", "reports:export", "statistics:read"}
)

BUILT_IN: dict[str, BuiltInRole] = {
    "admin": BuiltInRole("Administrator", "管理员", frozenset({ALL_PERMISSIONS})),
    "radiologist": BuiltInRole(
        "Radiologist",
        "放射科医生",
        _VIEW | _WORK | _BRING | _READ | {"results:export", "studies:export"},
    ),
    "technician": BuiltInRole("Technician", "技师", _VIEW | _BRING | _PLAN | {"analysis:run"}),
    "researcher": BuiltInRole(
        "Researcher",
        "研究人员",
        (_VIEW - {"patients:read", "reports:read"}) | {"analysis:run", "statistics:read"},
    ),
    "auditor": BuiltInRole("Auditor", "审计员", frozenset({"audit:read", "users:read"})),
    "integration": BuiltInRole(
        "Integration",
        "集成账号",
        _VIEW | _WORK | _BRING | _PLAN | {"results:export", "studies:export", "reports:export"},
    ),
    "viewer": BuiltInRole("Viewer", "浏览者", _VIEW),
}


def covers(held: Iterable[str], wanted: str) -> bool:
    """Tell whether a set of permissions contains one; installation rights only by name."""
    rights = frozenset(held)
    if wanted.startswith("installation:"):
        return wanted in rights
    if ALL_PERMISSIONS in rights or wanted in rights:
        return True
    return wanted != ALL_PERMISSIONS and f"{wanted.split(':', 1)[0]}:*" in rights


def narrow(held: Iterable[str], wanted: Iterable[str]) -> frozenset[str]:
    """Return the rights that are both held and wanted, wildcards respected on both sides."""
    rights, wishes = frozenset(held), frozenset(wanted)
    return frozenset(w for w in wishes if covers(rights, w)) | frozenset(
        r for r in rights if covers(wishes, r)
    )


def within(actor: Actor, wanted: Iterable[str]) -> bool:
    """Tell whether the actor holds all these rights and so may give them away."""
    held = actor.permissions | ({INSTALLATION_ADMIN} if actor.kind == "system" else frozenset())
    return all(covers(held, w) for w in wanted)
