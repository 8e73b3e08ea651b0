# SPDX-License-Identifier: Apache-2.0
"""What an organisation decided about the installed applications."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from healthvision.kernel.db import OrgOwned


class ModelSetting(OrgOwned):
    """One application switched off, or held at a version, in one organisation."""

    __tablename__ = "model_settings"
    __table_args__ = (UniqueConstraint("org_id", "application_id"),)

    application_id: Mapped[str]
    enabled: Mapped[bool]
    pinned_version: Mapped[str | None]
