# SPDX-License-Identifier: Apache-2.0
"""The plug of the reading room."""

from healthvision.domains.analysis.events import (
    ResultReady,
    TaskChanged,
    TaskCreated,
    TaskFailed,
)
from healthvision.domains.archive.events import (
    SeriesMoved,
    StudyComplete,
    StudyCorrected,
    StudyDeleted,
    StudyMoved,
    StudyPurged,
)
from healthvision.domains.reading import api, jobs, report_api, service
from healthvision.kernel.module import Module

MODULE = Module(
    name="reading",
    routers=(
        api.worklist,
        api.result_verdicts,
        api.verdicts,
        api.statistics,
        report_api.reports,
        report_api.study_reports,
    ),
    jobs=jobs.JOBS,
    periodics=jobs.PERIODICS,
    subscriptions={
        StudyComplete: [service.on_study_event],
        StudyMoved: [service.on_study_event],
        StudyDeleted: [service.on_study_event],
        StudyCorrected: [service.on_study_event],
        SeriesMoved: [service.on_study_event, service.on_series_gone],
        StudyPurged: [service.on_study_purged],
        TaskCreated: [service.on_analysis_event],
        TaskChanged: [service.on_analysis_event],
        TaskFailed: [service.on_analysis_event],
        ResultReady: [service.on_analysis_event],
    },
    permissions={
        "reading:read": "See the worklist: studies with patients, AI results and reports",
        "verdicts:read": "See doctors' verdicts on AI results",
        "verdicts:write": "Accept, reject and modify AI results",
        "statistics:read": "See how far doctors agree with the AI",
        "reports:read": "Read reports",
        "reports:write": "Write, submit, amend and add to reports",
        "reports:review": "Review and sign the reports of other doctors",
        "reports:export": "Export and print signed reports",
    },
)
