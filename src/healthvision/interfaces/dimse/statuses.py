# SPDX-License-Identifier: Apache-2.0
"""Problems as DIMSE statuses (PS3.7 annex C, PS3.4 tables B.2-1, C.4-1 to C.4-3)."""

from collections.abc import Mapping

from healthvision.formats.dicom import dimse
from healthvision.kernel.errors import (
    Busy,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfSpace,
    Problem,
    TooMany,
    Unauthenticated,
)

_STATUS: tuple[tuple[type[Problem] | tuple[type[Problem], ...], int], ...] = (
    ((OutOfSpace, Busy, TooMany), dimse.OUT_OF_RESOURCES),
    ((Forbidden, Unauthenticated), dimse.NOT_AUTHORIZED),
    ((NotFound, Conflict), dimse.PROCESSING_FAILURE),
    (Invalid, dimse.CANNOT_UNDERSTAND),
)

TOLD: Mapping[int, str] = {
    dimse.SUCCESS: "success",
    dimse.PENDING: "C-FIND, C-GET, C-MOVE: more follows",
    dimse.PENDING_PARTLY: "C-FIND: more follows; some keys were not matched",
    dimse.CANCELLED: "ended by C-CANCEL",
    dimse.OUT_OF_RESOURCES: "storage full, or too busy: try again",
    dimse.NO_COUNT: "C-GET, C-MOVE: the matches could not be counted",
    dimse.SUBOPERATIONS_FAILED: "C-GET, C-MOVE: no object could be sent",
    dimse.DESTINATION_UNKNOWN: "C-MOVE: the destination is not among the remote AEs",
    dimse.DATASET_MISMATCH: "identifier, level or SOP class do not fit",
    dimse.CANNOT_UNDERSTAND: "the object cannot be read; it is kept in quarantine",
    dimse.SOME_FAILED: "C-GET, C-MOVE: some objects could not be sent",
    dimse.PROCESSING_FAILURE: "a failure of ours, or a conflict",
    dimse.CLASS_NOT_SUPPORTED: "SOP class not supported",
    dimse.NOT_AUTHORIZED: "the peer may not do this",
    dimse.UNRECOGNIZED: "operation unknown",
    dimse.BAD_ARGUMENT: "an argument cannot be used",
    dimse.BAD_VALUE: "N-CREATE, N-SET, N-ACTION: an attribute is missing or cannot be used",
    dimse.DUPLICATE_INSTANCE: "N-CREATE: the instance exists",
    dimse.NO_SUCH_INSTANCE: "N-SET, N-ACTION: there is no such instance",
    dimse.NO_SUCH_ACTION: "N-ACTION: there is no such action",
    dimse.NO_SUCH_EVENT: "N-EVENT-REPORT: nobody here asked for this report",
}


def status_of(problem: Problem) -> int:
    """Return the status for an expected failure."""
    for kinds, status in _STATUS:
        if isinstance(problem, kinds):
            return status
    return dimse.PROCESSING_FAILURE


def comment_of(problem: Problem) -> str:
    """Return an Error Comment (LO): at most 64 ASCII characters, nothing personal."""
    return problem.title.encode("ascii", "replace").decode()[:64]
