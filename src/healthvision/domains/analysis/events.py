# SPDX-License-Identifier: Apache-2.0
"""Facts the analysis room tells; ids and codes only."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class TaskCreated(Event):
    """A new task waits; subject: task id."""

    topic: ClassVar[str] = "analysis.task_created.v1"
    study_id: UUID
    space_id: UUID
    application: str
    priority: str


@dataclass(frozen=True, slots=True)
class TaskChanged(Event):
    """A task was cancelled, queued again or got another priority; subject: task id.

    ``state``: its state now. Start and progress of a task are no events, they are its stream.
    """

    topic: ClassVar[str] = "analysis.task_changed.v1"
    study_id: UUID
    space_id: UUID
    application: str
    priority: str
    state: str


@dataclass(frozen=True, slots=True)
class ResultReady(Event):
    """A result and all its outputs are stored; subject: result id. Once per task.

    ``status``: 'complete' or 'abstained'. ``worst_category``: e.g. 'lung-rads-v2022:4A' or ''.
    """

    topic: ClassVar[str] = "analysis.result_ready.v1"
    task_id: UUID
    study_id: UUID
    space_id: UUID
    application: str
    status: str
    priority: str
    worst_category: str


@dataclass(frozen=True, slots=True)
class TaskFailed(Event):
    """A task ended without a result; subject: task id. ``reason``: stable word."""

    topic: ClassVar[str] = "analysis.task_failed.v1"
    study_id: UUID
    space_id: UUID
    application: str
    priority: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeadlineMissed(Event):
    """A task was not done in time; subject: task id. Once per task."""

    topic: ClassVar[str] = "analysis.deadline_missed.v1"
    study_id: UUID
    space_id: UUID
    application: str
    priority: str


@dataclass(frozen=True, slots=True)
class VerificationChanged(Event):
    """A doctor judged a result; subject: result id."""

    topic: ClassVar[str] = "analysis.verification_changed.v1"
    study_id: UUID
    verification: str
