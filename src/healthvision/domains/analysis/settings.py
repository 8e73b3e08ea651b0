# SPDX-License-Identifier: Apache-2.0
"""Settings of the analysis room."""

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class AnalysisSettings(RoomSettings, room="analysis"):
    """Limits and clocks of analysis tasks (prefix ``HV_ANALYSIS_``)."""

    max_open_tasks: int = Field(
        default=1000,
        ge=1,
        description="Published maximum of waiting and running tasks of one organisation; "
        "further requests get 429. Tasks started by rules are not refused.",
    )
    batch_limit: int = Field(default=100, ge=1, description="Most studies of one batch.")
    stat_slots: int = Field(
        default=1, ge=1, description="STAT analyses that run at once per worker, in own slots."
    )
    stat_seconds: float = Field(
        default=60, gt=0, description="STAT: seconds from the last instance to the result."
    )
    urgent_seconds: float = Field(default=120, gt=0, description="Urgent: the same.")
    routine_seconds: float = Field(default=300, gt=0, description="Routine: the same.")
    stat_patience_s: float = Field(
        default=1,
        ge=0,
        description="A STAT task that waits longer stops a running routine or bulk analysis and "
        "takes its slot.",
    )
    max_preemptions: int = Field(
        default=3, ge=0, description="How often one task may be stopped for STAT tasks."
    )
    room_check_s: float = Field(
        default=1.0,
        gt=0,
        description="How often waiting STAT tasks and notices are looked for.",
    )
    deadline_check_s: float = Field(
        default=5, gt=0, description="How often missed deadlines are looked for."
    )
    events_seconds: float = Field(
        default=600, gt=0, description="Longest life of one event stream; clients come again."
    )
    events_poll_s: float = Field(
        default=0.5, gt=0, description="How often an event stream looks for news."
    )
    report_language: str = Field(
        default="both", pattern="^(zh|en|both)$", description="Language of stored PDF reports."
    )
    allow_network_unsafe: bool = Field(
        default=False,
        description="Run applications with network where it cannot be cut. Development only.",
    )
