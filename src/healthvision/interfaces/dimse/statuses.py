# SPDX-License-Identifier: Apache-2.0
"""Problems as DIMSE statuses (PS3.7 annex C, PS3.4 tables B.2-1, C.4-1 to C.4-3)."""

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


def status_of(problem: Problem) -> int:
    """Return the status for an expected failure."""
    for kinds, status in _STATUS:
        if isinstance(problem, kinds):
            return status
    return dimse.PROCESSING_FAILURE


def comment_of(problem: Problem) -> str:
    """Return an Error Comment (LO): at most 64 ASCII characters, nothing personal."""
    return problem.title.encode("ascii", "replace").decode()[:64]
