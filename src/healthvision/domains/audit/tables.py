# SPDX-License-Identifier: Apache-2.0
"""Tables of the audit room. Rows are only ever added; the sealer fills sequence and chain."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.domains.audit.schemas import Category, Outcome
from healthvision.kernel.clock import new_id
from healthvision.kernel.db import Base


class AuditEvent(Base):
    """Who did what, when, from where, and how it ended. Ids only, nothing personal.

    ``at_us``: UTC, microseconds since 1970. ``before``, ``after``, ``detail``: JSON text, so that
    the sealed bytes are the stored bytes on every database. ``sequence`` counts sealed rows from
    1; null until the sealer has been here.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(
            "ix_audit_events_unsealed",
            "id",
            sqlite_where=text("sequence IS NULL"),
            postgresql_where=text("sequence IS NULL"),
        ),
        Index("ix_audit_events_org_at", "org_id", "at_us", "id"),
        Index("ix_audit_events_org_subject", "org_id", "subject"),
        Index("ix_audit_events_subject", "subject"),  # finds attempts on other organisations
        Index("ix_audit_events_org_patient", "org_id", "patient_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    org_id: Mapped[UUID]
    at_us: Mapped[int] = mapped_column(BigInteger)
    category: Mapped[Category] = mapped_column(String)
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    user_id: Mapped[UUID | None]
    on_behalf_of: Mapped[str | None]
    action: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str | None]
    patient_id: Mapped[UUID | None]
    space_id: Mapped[UUID | None]
    outcome: Mapped[Outcome] = mapped_column(String)
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    trace_id: Mapped[str | None]
    sequence: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    chain: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditState(Base):
    """The end of the sealed log: one row, locked by whoever seals."""

    __tablename__ = "audit_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)  # 32-byte hashes, left to right


class AuditNode(Base):
    """A finished node of the Merkle tree at level 8, 16, 24, ..."""

    __tablename__ = "audit_nodes"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Base):
    """A signed tree head; its copy outside the database is what counts."""

    __tablename__ = "audit_heads"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    chain: Mapped[bytes] = mapped_column(LargeBinary)
    at_us: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
