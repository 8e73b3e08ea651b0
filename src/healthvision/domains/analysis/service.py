# SPDX-License-Identifier: Apache-2.0
"""The analysis room as others use it: tasks, results, rules and batches.

"STAT goes first" is in ``priority.py``; what a worker does with a task in ``execution.py``; the
pipeline without a database in ``runner.py``, over files in ``command.py``.
"""

from healthvision.domains.analysis.batches import (
    create_batch,
    get_batch,
    list_batches,
    summary_csv,
    summary_document,
    summary_html,
    summary_items,
    summary_pdf,
)
from healthvision.domains.analysis.command import FileOptions, analyze_files
from healthvision.domains.analysis.execution import give_up, run_task
from healthvision.domains.analysis.exports import Export, ExportFormat, export_result, key_image
from healthvision.domains.analysis.leftovers import sweep_staged
from healthvision.domains.analysis.making_room import make_room
from healthvision.domains.analysis.notices import note_notices
from healthvision.domains.analysis.punctuality import deadlines
from healthvision.domains.analysis.results import (
    compare,
    get_result,
    results_of_study,
    search,
    set_verification,
)
from healthvision.domains.analysis.rules import (
    change_rule,
    create_rule,
    delete_rule,
    dry_run,
    get_rule,
    has_rules,
    list_rules,
    on_space_created,
    on_space_removed,
    on_study_complete,
    rule_attributes,
)
from healthvision.domains.analysis.runner import RunOptions
from healthvision.domains.analysis.study_events import (
    on_series_moved,
    on_study_corrected,
    on_study_deleted,
    on_study_purged,
)
from healthvision.domains.analysis.tasks import (
    cancel_task,
    change_task,
    get_task,
    limits,
    list_tasks,
    note_missed_deadlines,
    retry_task,
    submit,
)

__all__ = [
    "Export",
    "ExportFormat",
    "FileOptions",
    "RunOptions",
    "analyze_files",
    "cancel_task",
    "change_rule",
    "change_task",
    "compare",
    "create_batch",
    "create_rule",
    "deadlines",
    "delete_rule",
    "dry_run",
    "export_result",
    "get_batch",
    "get_result",
    "get_rule",
    "get_task",
    "give_up",
    "has_rules",
    "key_image",
    "limits",
    "list_batches",
    "list_rules",
    "list_tasks",
    "make_room",
    "note_missed_deadlines",
    "note_notices",
    "on_series_moved",
    "on_space_created",
    "on_space_removed",
    "on_study_complete",
    "on_study_corrected",
    "on_study_deleted",
    "on_study_purged",
    "results_of_study",
    "retry_task",
    "rule_attributes",
    "run_task",
    "search",
    "set_verification",
    "submit",
    "summary_csv",
    "summary_document",
    "summary_html",
    "summary_items",
    "summary_pdf",
    "sweep_staged",
]
