# SPDX-License-Identifier: Apache-2.0
"""Work items (PS3.4 annex CC), who wants to hear of them, and reports on their way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
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
