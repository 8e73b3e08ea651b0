# SPDX-License-Identifier: Apache-2.0
"""One case of the demo on its way through the platform."""

from dataclasses import dataclass, field
from uuid import UUID

from healthvision.app.demo.materials import Case
from healthvision.client.models import Result, Task


@dataclass(eq=False, slots=True)
class Visit:
    """One case on its way: what came in, what came out."""

    case: Case
    study_ids: list[UUID] = field(default_factory=list)
    brought_s: float = 0.0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    complete_at: float | None = None  # monotonic time
    tasks: list[Task] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
