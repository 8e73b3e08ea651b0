# SPDX-License-Identifier: Apache-2.0
"""What an organisation decided about the installed applications, and the models it brought."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.db import OrgOwned


class ModelSetting(OrgOwned):
    """One application switched off, or held at a version, in one organisation."""

    __tablename__ = "model_settings"
    __table_args__ = (UniqueConstraint("org_id", "application_id"),)

    application_id: Mapped[str]
    enabled: Mapped[bool]
    pinned_version: Mapped[str | None]


class ModelAddition(OrgOwned):
    """One model brought through the API: announced, received, checked, then added or refused.

    ``account``: who brought it. ``problem``: code, reason and detail of the refusal. ``begun``:
    trials that began and did not come back, whatever came of them.
    """

    __tablename__ = "model_additions"

    account: Mapped[str]
    state: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    model_id: Mapped[str | None]
    version: Mapped[str | None]
    problem: Mapped[dict[str, Any] | None]
    trial: Mapped[dict[str, Any] | None]
    begun: Mapped[int]
