# SPDX-License-Identifier: Apache-2.0
"""What the patients room refuses."""

from healthvision.kernel.errors import NotFound


class PatientNotFound(NotFound):
    """No such patient for this caller."""

    code, title = "patient-not-found", "No such patient"
