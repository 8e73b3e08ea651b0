# SPDX-License-Identifier: Apache-2.0
"""The plug of the analysis room."""

from healthvision.domains.analysis import api, jobs, result_api, service
from healthvision.domains.analysis.priority import QUEUE, STAT_QUEUE
from healthvision.domains.analysis.settings import AnalysisSettings
from healthvision.domains.archive.events import (
    SeriesMoved,
    StudyComplete,
    StudyCorrected,
    StudyDeleted,
    StudyPurged,
)
from healthvision.domains.spaces.events import SpaceCreated, SpaceRemoved
from healthvision.kernel.events import Asked
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


def _queues() -> dict[str, int]:
    return {QUEUE: CoreSettings().analysis_slots, STAT_QUEUE: AnalysisSettings().stat_slots}


MODULE = Module(
    name="analysis",
    routers=(
        api.limits,
        api.tasks,
        api.rules,
        api.batches,
        result_api.results,
        result_api.study_results,
    ),
    jobs=jobs.JOBS,
    periodics=jobs.PERIODICS,
    queues=_queues,
    subscriptions={
        StudyComplete: [Asked(service.on_study_complete, service.has_rules)],
        StudyCorrected: [service.on_study_corrected],
        SeriesMoved: [service.on_series_moved],
        StudyDeleted: [service.on_study_deleted],
        StudyPurged: [service.on_study_purged],
        SpaceCreated: [service.on_space_created],
        SpaceRemoved: [service.on_space_removed],
    },
    permissions={
        "analysis:read": "See analysis tasks, rules and batches",
        "analysis:run": "Submit, raise, cancel and retry analysis tasks and batches",
        "analysis:manage": "Make, change, try and remove analysis rules",
        "results:read": "Find and read results",
        "results:export": "Export results",
    },
)
