# SPDX-License-Identifier: Apache-2.0
"""What others may see of the audit log."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from healthvision.clinical.result import Text
from healthvision.kernel.schemas import Read

Outcome = Literal["success", "refused", "failed"]
Category = Literal["access", "change", "export", "security"]
TamperKind = Literal[
    "edit", "deletion", "reorder", "tail-cut", "rewritten", "signature", "anchor-missing"
]


class AuditEventRead(Read):
    """One act as it was recorded."""

    id: UUID
    at: datetime
    category: Category
    actor_kind: str
    actor_id: str
    user_id: UUID | None
    on_behalf_of: str | None
    action: str
    kind: str
    subject: str | None
    patient_id: UUID | None
    space_id: UUID | None
    outcome: Outcome
    before: Any
    after: Any
    detail: Any
    address: str | None
    request_id: str | None
    trace_id: str | None
    sequence: int | None = Field(description="Place in the sealed log; null until sealed.")


class ActionRead(Read):
    """One act that the log knows, in words of both languages."""

    action: str = Field(
        description="Its code, as the 'action' filter takes it; '<part>.*': all of one part."
    )
    words: Text


class EventFilter(Read):
    """Which events to list; an absent field does not restrict.

    ``action`` may end in '*'. ``subject`` finds events about that study or other thing.
    """

    user_id: UUID | None = None
    actor_id: str | None = None
    patient_id: UUID | None = None
    subject: str | None = None
    space_id: UUID | None = None
    action: str | None = None
    outcome: Outcome | None = None
    category: Category | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class VerifyReport(Read):
    """What a check of the log found. ``ok`` false means: somebody changed the log.

    The log is one for all organisations: its counts and places are shown to administrators of
    the installation only, and are null for others.
    """

    ok: bool
    checked: int | None = Field(description="Sealed events whose hashes were recomputed.")
    sealed: int | None = Field(description="Sealed events in the database.")
    unsealed: int | None = Field(description="Events that wait for the sealer.")
    anchored: int | None = Field(
        description="Size of the newest head published outside the database."
    )
    first_bad: int | None = Field(description="Sequence of the first event that is wrong.")
    kind: TamperKind | None
    message: str
    root: str | None = Field(description="Merkle root over all sealed events, hex.")
    seconds: float
    other_problems: list[str]

    def for_organisation(self) -> "VerifyReport":
        """Return what the auditor of one organisation may know: no counts, no places."""
        told = "no event was changed" if self.ok else f"the log was changed: {self.kind}"
        unknown = dict.fromkeys(("checked", "sealed", "unsealed", "anchored", "first_bad", "root"))
        changed: dict[str, Any] = {**unknown, "message": told, "seconds": 0.0, "other_problems": []}
        return self.model_copy(update=changed)


class Viewer(Read):
    """One account's accesses to a study or patient."""

    actor_kind: str
    actor_id: str
    user_id: UUID | None
    accesses: int
    first: datetime
    last: datetime


class ActionCount(Read):
    """How often one action ended one way."""

    action: str
    category: Category
    outcome: Outcome
    count: int


class SecurityEvent(Read):
    """Something a security officer should look at."""

    kind: Literal["event", "mass-export", "mass-access"]
    at: datetime
    action: str
    actor_kind: str
    actor_id: str
    user_id: UUID | None
    address: str | None
    outcome: Outcome | None
    count: int
    event_id: UUID | None


class ComplianceReport(Read):
    """What happened in a period: for the data protection officer and the inspector."""

    since: datetime
    until: datetime
    made_at: datetime
    events: int
    accesses: int
    refusals: int
    failures: int
    exports: int
    changes: int
    security_events: int
    accounts: int
    patients: int
    actions: list[ActionCount]
    security: list[SecurityEvent]
    verification: VerifyReport


class InclusionProof(Read):
    """Proof that an event is in the tree of a signed head (RFC 9162 2.1.3)."""

    event_id: UUID
    leaf_index: int
    tree_size: int
    entry: str = Field(description="The sealed bytes as text (JSON array).")
    leaf_hash: str
    path: list[str]
    root: str
    chain: str
    head_at: datetime
    key_id: str
    public_key: str = Field(description="Ed25519 public key, hex.")
    signed: str = Field(description="The signed text.")
    signature: str
