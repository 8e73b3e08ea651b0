# SPDX-License-Identifier: Apache-2.0
"""What the reading room refuses, and why."""

from healthvision.kernel.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed


class VerdictNotFound(NotFound):
    """No such verdict for this caller."""

    code, title = "verdict-not-found", "No such verdict"


class FindingNotFound(NotFound):
    """The result has no finding with this tracking UID."""

    code, title = "finding-not-found", "No such finding"


class NotYourVerdict(Forbidden):
    """Only the reader who gave a verdict may take it back."""

    code, title = "not-your-verdict", "Verdict of another reader"


class VerdictNotActive(Conflict):
    """The verdict was replaced or taken back before."""

    code, title = "verdict-not-active", "Verdict no longer active"


class ReportNotFound(NotFound):
    """No such report for this caller."""

    code, title = "report-not-found", "No such report"


class ReportVersionNotFound(NotFound):
    """The report has no such signed version."""

    code, title = "report-version-not-found", "No such report version"


class ReportState(Conflict):
    """The report is in a state in which this cannot be done; ``state`` says which."""

    code, title = "report-state", "Not possible in this state of the report"


class NotTheAuthor(Forbidden):
    """Only the author works on a draft; ``take-over`` makes somebody else the author."""

    code, title = "not-the-author", "Report of another author"


class ReviewByAuthor(Forbidden):
    """A report is reviewed by a second doctor, not by its author."""

    code, title = "review-by-author", "Review by the author"


class OnlyPeopleSign(Forbidden):
    """Verdicts and reports are given and signed by people, not by programs."""

    code, title = "only-people-sign", "Only people may do this"


class ReportIncomplete(Invalid):
    """A part that a submitted report needs is empty; ``field`` names it."""

    code, title = "report-incomplete", "Report not complete"


class MatchNeeded(PreconditionFailed):
    """A draft is saved only over the version that was read: If-Match is needed."""

    code, title = "if-match-needed", "If-Match needed"


class ReportNotStored(Conflict):
    """The DICOM object of the signed version is not made yet."""

    code, title = "report-not-stored", "DICOM object not made yet"
