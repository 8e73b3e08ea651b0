# SPDX-License-Identifier: Apache-2.0
"""Making one audit row from an actor and an act."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from healthvision.domains.audit.schemas import Category, Outcome
from healthvision.kernel import strictjson
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.security import Actor
from healthvision.kernel.telemetry import request_id_var, trace_id_var

RowValues = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 200
MAX_JSON = 32_768
_MICROSECOND = timedelta(microseconds=1)
_SECURITY_WORDS = (
    "login_failed",
    "login.failed",
    "locked_out",
    "lockout",
    "locked",
    "foreign",
    "token_reuse",
    "reuse_detected",
    "mass_export",
    "break_glass",
)
_EXPORT_WORDS = ("export", "download")


@dataclass(frozen=True, slots=True)
class Act:
    """What was done, to what, and how it ended; see ``service.record``."""

    action: str
    subject: UUID | str | None = None
    kind: str = ""
    patient_id: UUID | None = None
    space_id: UUID | None = None
    outcome: Outcome = "success"
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None
    category: Category | None = None


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware time."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(value: int) -> datetime:
    """Return the UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)


def category_of(action: str, outcome: Outcome, *, reading: bool) -> Category:
    """Return the kind of log an act belongs to, by its name and how it ended.

    Security: lock-outs, attempts on other tenants, reused tokens, failed sign-ins.
    """
    if any(word in action for word in _SECURITY_WORDS):
        return "security"
    if action.startswith("identity.") and outcome != "success":
        return "security"
    if any(word in action for word in _EXPORT_WORDS):
        return "export"
    return "access" if reading else "change"


def _text(value: str | None) -> str | None:
    if value is None:
        return None
    if value.isascii() and value.isprintable():  # as nearly all are
        return value[:MAX_TEXT]
    clean = "".join(c for c in value if c >= " " and not "\ud800" <= c <= "\udfff")
    return clean[:MAX_TEXT]


def _json(value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    text = strictjson.dumps({k: _plain(v) for k, v in value.items()})
    text = text.replace("\\u0000", "")
    if len(text) > MAX_JSON:
        return strictjson.dumps({"omitted": "over the size limit", "characters": len(text)})
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def row_of(actor: Actor, act: Act, *, reading: bool = False) -> RowValues:
    """Return the values of one audit row; ``reading`` tells accesses from changes."""
    subject = act.subject
    return {
        "id": new_id(),
        "org_id": actor.org_id,
        "at_us": to_us(now()),
        "category": act.category or category_of(act.action, act.outcome, reading=reading),
        "actor_kind": actor.kind,
        "actor_id": _text(actor.id) or "",
        "user_id": actor.user_id,
        "on_behalf_of": _text(actor.on_behalf_of),
        "action": _text(act.action) or "",
        "kind": _text(act.kind) or "",
        "subject": str(subject) if isinstance(subject, UUID) else _text(subject),
        "patient_id": act.patient_id,
        "space_id": act.space_id,
        "outcome": act.outcome,
        "before": _json(act.before),
        "after": _json(act.after),
        "detail": _json(act.detail),
        "address": _text(actor.address),
        "request_id": _text(actor.request_id or request_id_var.get()),
        "trace_id": _text(actor.trace_id or trace_id_var.get()),
    }
