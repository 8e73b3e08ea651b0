# SPDX-License-Identifier: Apache-2.0
"""Settings of the reading room."""

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class ReadingSettings(RoomSettings, room="reading"):
    """Worklist and reports (prefix ``HV_READING_``)."""

    second_review: bool = Field(
        default=True,
        description="A report is reviewed by a second doctor; false: its author may sign alone.",
    )
    events_seconds: float = Field(
        default=600, gt=0, description="Longest life of one worklist stream; clients come again."
    )
    events_poll_s: float = Field(
        default=1.0, gt=0, description="How often a worklist stream looks for news."
    )
    fill_every_s: float = Field(
        default=30.0, gt=0, description="How often older studies are looked for."
    )
    fill_page: int = Field(
        default=200, ge=1, le=1000, description="Studies taken into the worklist at once."
    )
