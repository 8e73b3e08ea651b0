# SPDX-License-Identifier: Apache-2.0
"""Keys of organisations."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.db import OrgOwned


class OrgKey(OrgOwned):
    """A key that wraps the data keys of an organisation's objects, wrapped by the master key.

    ``version``: the highest one seals; all of them open.
    """

    __tablename__ = "storage_org_keys"
    __table_args__ = (UniqueConstraint("org_id", "version"),)

    version: Mapped[int] = mapped_column(default=1)
    wrapped: Mapped[str]  # hex
