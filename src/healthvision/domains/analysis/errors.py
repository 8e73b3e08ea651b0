# SPDX-License-Identifier: Apache-2.0
"""What the analysis room refuses, and why."""

from healthvision.kernel.errors import Conflict, Invalid, NotFound, TooLarge, TooMany


class TaskNotFound(NotFound):
    """No such analysis task for this caller."""

    code, title = "task-not-found", "No such analysis task"


class ResultNotFound(NotFound):
    """No such result for this caller."""

    code, title = "result-not-found", "No such result"


class OutputNotFound(NotFound):
    """The result has no such output."""

    code, title = "output-not-found", "No such output"


class RuleNotFound(NotFound):
    """No such analysis rule for this caller."""

    code, title = "analysis-rule-not-found", "No such rule"


class BatchNotFound(NotFound):
    """No such batch for this caller."""

    code, title = "batch-not-found", "No such batch"


class BatchTooLarge(TooLarge):
    """More studies than one batch may have; ``limit`` says how many it may."""

    code, title = "batch-too-large", "Too many studies in one batch"


class BatchNotDone(Conflict):
    """Tasks of the batch are still waiting or running."""

    code, title = "batch-not-done", "Batch not finished"


class NoImages(Invalid):
    """There is nothing to analyse: no image object among the files."""

    code, title = "no-images", "No images to analyse"


class SeveralStudies(Invalid):
    """The files belong to more than one study and none was chosen."""

    code, title = "several-studies", "More than one study"


class UnreadableInput(Invalid):
    """A file of the input cannot be read; the detail names it."""

    code, title = "unreadable-input", "Input file cannot be read"


class ApplicationMisbehaved(Invalid):
    """The application answered something that the contract does not allow."""

    code, title = "application-misbehaved", "Application broke its contract"


class TaskFinished(Conflict):
    """The task is past the state in which this can be done."""

    code, title = "task-finished", "Task already finished"


class TaskRunning(Conflict):
    """The task has not finished yet."""

    code, title = "task-running", "Task still running"


class TooManyTasks(TooMany):
    """The organisation has as many open tasks as its published maximum."""

    code, title = "too-many-tasks", "Too many open analysis tasks"


class NotComparable(Invalid):
    """The two results are not of the same study and application."""

    code, title = "results-not-comparable", "Results cannot be compared"


class ParameterRefused(Invalid):
    """The application has no parameter of that name, or it cannot have that value."""

    code, title = "analysis-parameter-refused", "Parameter not taken by the application"


class RuleExists(Conflict):
    """The space has a rule of that name."""

    code, title = "analysis-rule-exists", "Rule name taken"


class RuleTestFailed(Invalid):
    """One of the rule's own tests does not hold; ``test`` is its number."""

    code, title = "analysis-rule-test-failed", "Rule test failed"
