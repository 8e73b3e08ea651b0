# SPDX-License-Identifier: Apache-2.0
"""The reading room as others use it: worklist, verdicts, agreement, reports.

The order of the list is in ``ordering.py``, its rows are kept by ``projecting.py``; who may sign
what is in ``reports.py`` and ``signatures.py``.
"""

from healthvision.domains.reading.agreement import agreement
from healthvision.domains.reading.prefill import prefilled
from healthvision.domains.reading.projecting import (
    fill,
    on_analysis_event,
    on_series_gone,
    on_study_event,
    on_study_purged,
    refresh,
)
from healthvision.domains.reading.reports import (
    amend,
    create,
    discard,
    get,
    note_print,
    of_study,
    recall,
    save_draft,
    submit,
    take_over,
)
from healthvision.domains.reading.reports import search as search_reports
from healthvision.domains.reading.signatures import add_addendum, check, review
from healthvision.domains.reading.storing import ReportFile, export, store
from healthvision.domains.reading.streams import worklist_events
from healthvision.domains.reading.verdicts import give, of_result, withdraw
from healthvision.domains.reading.verdicts import search as search_verdicts
from healthvision.domains.reading.worklist import counts
from healthvision.domains.reading.worklist import search as search_worklist

__all__ = [
    "ReportFile",
    "add_addendum",
    "agreement",
    "amend",
    "check",
    "counts",
    "create",
    "discard",
    "export",
    "fill",
    "get",
    "give",
    "note_print",
    "of_result",
    "of_study",
    "on_analysis_event",
    "on_series_gone",
    "on_study_event",
    "on_study_purged",
    "prefilled",
    "recall",
    "refresh",
    "review",
    "save_draft",
    "search_reports",
    "search_verdicts",
    "search_worklist",
    "store",
    "submit",
    "take_over",
    "withdraw",
    "worklist_events",
]
