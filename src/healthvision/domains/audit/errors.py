# SPDX-License-Identifier: Apache-2.0
"""Failures of the audit room."""

from healthvision.kernel.errors import Busy, Conflict, NotFound


class AuditUnavailable(Busy):
    """The act cannot be recorded now, so it is not done: no byte leaves unrecorded."""

    code, title = "audit-unavailable", "Audit log not writable"


class AuditEventNotFound(NotFound):
    """No such audit event in this organisation."""

    code, title = "audit-event-not-found", "No such audit event"


class NotSealedYet(Conflict):
    """The event waits for the sealer, which runs every second."""

    code, title = "audit-not-sealed", "Audit event not sealed yet"


class AuditTampered(Conflict):
    """The stored log contradicts a head that was published outside the database."""

    code, title = "audit-tampered", "Audit log contradicts its anchor"
