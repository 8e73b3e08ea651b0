# SPDX-License-Identifier: Apache-2.0
"""Settings of the audit room (prefix ``HV_AUDIT_``)."""

from pathlib import Path

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class AuditSettings(RoomSettings, room="audit"):
    """How the log is written, sealed and anchored."""

    anchor_dir: Path | None = Field(
        default=None,
        description="Folder for signed tree heads, outside the data folder and the database; "
        "empty: 'audit-anchors' beside the master key.",
    )
    write_timeout_s: float = Field(
        default=5.0, gt=0, description="Longest wait for an audit row before a read gets 503."
    )
    pixel_window_s: float = Field(
        default=60.0, gt=0, description="Pixel reads of one actor and study share one row so long."
    )
    seal_batch: int = Field(default=1000, ge=1, le=10000, description="Rows sealed per head.")
    mass_export_per_hour: int = Field(
        default=20, ge=1, description="Exports of one account in an hour that count as mass export."
    )
    mass_access_per_hour: int = Field(
        default=500, ge=1, description="Reads of one account in an hour that count as mass access."
    )
