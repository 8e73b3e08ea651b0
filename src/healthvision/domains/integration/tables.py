# SPDX-License-Identifier: Apache-2.0
"""Tables of the room: work items and their reports, destinations and pushes, worklists."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.clock import now
from healthvision.kernel.db import OrgOwned


class Workitem(OrgOwned):
    """One unified procedure step; ``document``: its DICOM JSON without the Transaction UID."""

    __tablename__ = "workitems"
    __table_args__ = (
        UniqueConstraint("org_id", "uid"),
        Index("ix_workitems_list", "org_id", "space_id", "state", "id"),
        Index("ix_workitems_patient", "org_id", "patient_id"),
    )

    space_id: Mapped[UUID]
    uid: Mapped[str]
    state: Mapped[str]
    transaction_uid: Mapped[str] = mapped_column(default="")
    patient_id: Mapped[str] = mapped_column(default="")
    document: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class WorkitemSubscription(OrgOwned):
    """One account's wish, under an AE title, to hear of one work item or of all that match.

    ``workitem_uid``: the item, or '' for the worklist, whose ``filters`` are keyword -> value.
    ``suspended``: new items are not added. ``off``: this item not, whatever the worklist says.
    """

    __tablename__ = "workitem_subscriptions"
    __table_args__ = (
        UniqueConstraint("org_id", "space_id", "ae_title", "account", "workitem_uid"),
    )

    space_id: Mapped[UUID]
    ae_title: Mapped[str]
    account: Mapped[str]
    workitem_uid: Mapped[str] = mapped_column(default="")
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    deletion_lock: Mapped[bool] = mapped_column(default=False)
    suspended: Mapped[bool] = mapped_column(default=False)
    off: Mapped[bool] = mapped_column(default=False)
    since: Mapped[datetime] = mapped_column(default=now)


class WorkitemReport(OrgOwned):
    """One event report that a subscriber has not fetched; ``document``: DICOM JSON as sent."""

    __tablename__ = "workitem_reports"
    __table_args__ = (
        Index("ix_workitem_reports_to", "org_id", "space_id", "ae_title", "account", "id"),
    )

    space_id: Mapped[UUID]
    ae_title: Mapped[str]
    account: Mapped[str]
    document: Mapped[dict[str, Any]]


class Destination(OrgOwned):
    """Where results and images are pushed to. ``sealed``: the settings, encrypted.

    ``config``: the settings without secrets; ``spaces``: ids, empty: all; ``profile``: see
    ``schemas.Profile``; ``commit``: ask the receiver for storage commitment after each push.
    """

    __tablename__ = "destinations"
    __table_args__ = (UniqueConstraint("org_id", "name"),)

    name: Mapped[str]
    kind: Mapped[str]
    config: Mapped[dict[str, Any]]
    sealed: Mapped[str] = mapped_column(Text)
    spaces: Mapped[list[str]]
    profile: Mapped[dict[str, Any]]
    enabled: Mapped[bool] = mapped_column(default=True)
    automatic: Mapped[bool] = mapped_column(default=True)
    commit: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Push(OrgOwned):
    """What one cause (a result, a complete study, a request) sends to one destination.

    ``cause``: 'result:<id>', 'study:<generation>' or 'request:<id>'; ``tries``: runs ever begun,
    ``attempts``: failed ones since the last (manual) start; ``lease``: who works on it.
    """

    __tablename__ = "pushes"
    __table_args__ = (
        UniqueConstraint("destination_id", "study_id", "cause"),
        Index("ix_pushes_study", "org_id", "study_id", "id"),
    )

    destination_id: Mapped[UUID] = mapped_column(ForeignKey("destinations.id"), index=True)
    study_id: Mapped[UUID]
    cause: Mapped[str]
    task_id: Mapped[UUID | None]
    profile: Mapped[dict[str, Any]]
    again: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default="waiting")
    planned: Mapped[bool] = mapped_column(default=False)
    total: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    lease: Mapped[str] = mapped_column(default="")
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(default="")
    commitment: Mapped[str] = mapped_column(default="none")
    requested_by: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]


class PushedObject(OrgOwned):
    """One object of a push. ``variant``: 'stored', or 'binary' for a SEG or SR turned for it.

    ``sop_uid``: as sent; ``sha256``: tells the form sent; ``reason``: what the receiver said.
    """

    __tablename__ = "pushed_objects"
    __table_args__ = (
        UniqueConstraint("push_id", "sop_uid"),
        Index("ix_pushed_objects_known", "destination_id", "sop_uid"),
    )

    push_id: Mapped[UUID] = mapped_column(ForeignKey("pushes.id"))
    destination_id: Mapped[UUID]
    instance_id: Mapped[UUID]
    sop_class_uid: Mapped[str]
    sop_uid: Mapped[str]
    variant: Mapped[str]
    sha256: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    reason: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime | None]


class Commitment(OrgOwned):
    """One storage commitment: asked of us by an AE, or by us of a destination (``push_id``).

    ``objects``: [class, instance] pairs; ``missing``: the pairs refused, with their reason.
    ``ours``: the AE title that was called, ``peer``: the other side's.
    """

    __tablename__ = "commitments"
    __table_args__ = (UniqueConstraint("org_id", "peer", "transaction_uid"),)

    push_id: Mapped[UUID | None] = mapped_column(ForeignKey("pushes.id"), index=True)
    space_id: Mapped[UUID | None]
    transaction_uid: Mapped[str]
    ours: Mapped[str]
    peer: Mapped[str]
    objects: Mapped[list[Any]]
    missing: Mapped[list[Any]]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]


class WorklistEntry(OrgOwned):
    """One scheduled procedure step; ``document``: its data set in DICOM JSON (PS3.4 K.6).

    Columns repeat what searches choose by. ``starts_on``: 'YYYYMMDD', local to the department.
    """

    __tablename__ = "worklist_entries"
    __table_args__ = (
        UniqueConstraint("org_id", "space_id", "step_id"),
        Index("ix_worklist_entries_list", "org_id", "space_id", "state", "starts_on", "id"),
        Index("ix_worklist_entries_patient", "org_id", "patient_id"),
        Index("ix_worklist_entries_study", "org_id", "study_uid"),
    )

    space_id: Mapped[UUID]
    step_id: Mapped[str]
    study_uid: Mapped[str]
    accession_number: Mapped[str]
    patient_id: Mapped[str]
    modality: Mapped[str]
    station_ae: Mapped[str]
    starts_on: Mapped[str]
    state: Mapped[str] = mapped_column(default="scheduled")
    document: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(default=now)


class PerformedStep(OrgOwned):
    """What a modality told of a step it performs (MPPS, PS3.4 F.7); ``document``: DICOM JSON."""

    __tablename__ = "performed_steps"
    __table_args__ = (UniqueConstraint("org_id", "uid"),)

    space_id: Mapped[UUID]
    entry_id: Mapped[UUID | None] = mapped_column(ForeignKey("worklist_entries.id"), index=True)
    uid: Mapped[str]
    state: Mapped[str]
    station_ae: Mapped[str]
    document: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(default=now)
