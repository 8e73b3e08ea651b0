# SPDX-License-Identifier: Apache-2.0
"""Settings of the notify room (prefix ``HV_NOTIFY_``)."""

from pathlib import Path

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class NotifySettings(RoomSettings, room="notify"):
    """Who may be reached, and how long one tries."""

    private_allow: str = Field(
        default="",
        description="Addresses that are not public and may still be sent to: CIDRs and host "
        "names, separated by commas, e.g. '10.1.0.0/16, ris.hospital.local'.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of a private certificate authority to trust as well."
    )
    timeout_s: float = Field(default=10.0, gt=0, description="Longest time of one attempt.")
    response_cap: int = Field(
        default=65_536, ge=0, description="Bytes of an answer that are read; the rest is dropped."
    )
    max_subscriptions: int = Field(default=100, ge=1, description="Per organisation.")
    batch: int = Field(default=200, ge=1, description="Deliveries taken in one round.")
    rotation_hours: float = Field(
        default=24.0, ge=0, description="How long the old webhook secret stays valid."
    )

    keep_days: float = Field(
        default=90.0, gt=0, description="How long finished deliveries and read messages are kept."
    )

    def allowed(self) -> frozenset[str]:
        """Return the entries of the allow-list."""
        return frozenset(p.strip().lower() for p in self.private_allow.split(",") if p.strip())
