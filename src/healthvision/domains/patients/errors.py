# SPDX-License-Identifier: Apache-2.0
"""What the patients room refuses."""

from healthvision.kernel.errors import Conflict, NotFound


class PatientNotFound(NotFound):
    """No such patient for this caller."""

    code, title = "patient-not-found", "No such patient"


class PatientMerged(Conflict):
    """The patient is part of another one already, or the merge would run in a circle."""

    code, title = "patient-merged", "Patient is merged"


class ConflictNotFound(NotFound):
    """No such conflict for this caller."""

    code, title = "conflict-not-found", "No such conflict"


class ConflictResolved(Conflict):
    """Somebody decided about this conflict before."""

    code, title = "conflict-resolved", "Conflict already resolved"
