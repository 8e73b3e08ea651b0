# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with work items, destinations and worklists."""

from healthvision.kernel.errors import Conflict, Invalid, Malformed, NotFound


class WorkitemNotFound(NotFound):
    """There is no such work item for this caller."""

    code, title = "workitem-not-found", "Work item not found"


class WorkitemExists(Conflict):
    """A work item with this UID exists."""

    code, title = "workitem-exists", "Work item exists"


class BadWorkitem(Malformed):
    """The data set is no valid request about a work item; the detail names the attribute."""

    code, title = "bad-workitem", "Work item not valid"


class BadTransaction(Malformed):
    """The Transaction UID is missing or is not the one the item was claimed with."""

    code, title = "bad-transaction-uid", "Transaction UID not valid"


class WrongState(Conflict):
    """The request does not fit the state of the work item."""

    code, title = "workitem-state", "Not possible in this state"


class NotFinal(Conflict):
    """The work item lacks what its final state needs; the detail names the attributes."""

    code, title = "workitem-not-final", "Final state requirements not met"


class DestinationNotFound(NotFound):
    """There is no such destination for this caller."""

    code, title = "destination-not-found", "Destination not found"


class DestinationExists(Conflict):
    """A destination of this name exists."""

    code, title = "destination-exists", "Destination exists"


class DestinationInvalid(Invalid):
    """The settings do not fit the kind of destination; the detail names the field."""

    code, title = "destination-invalid", "Destination settings not valid"


class DestinationOff(Conflict):
    """The destination is switched off."""

    code, title = "destination-off", "Destination is switched off"


class PushNotFound(NotFound):
    """There is no such delivery to this destination."""

    code, title = "push-not-found", "Delivery not found"


class PushRuns(Conflict):
    """The delivery is on its way or complete: there is nothing to send again."""

    code, title = "push-runs", "Nothing to send again"


class WorklistEntryNotFound(NotFound):
    """There is no such worklist entry for this caller."""

    code, title = "worklist-entry-not-found", "Worklist entry not found"


class WorklistEntryExists(Conflict):
    """An entry with this scheduled procedure step id exists in the space."""

    code, title = "worklist-entry-exists", "Worklist entry exists"


class WorklistEntryClosed(Conflict):
    """The step was begun, ended or cancelled, so it cannot be cancelled any more."""

    code, title = "worklist-entry-closed", "Worklist entry is closed"


class StepExists(Conflict):
    """A performed step with this UID exists."""

    code, title = "performed-step-exists", "Performed step exists"


class StepNotFound(NotFound):
    """There is no such performed step."""

    code, title = "performed-step-not-found", "Performed step not found"


class StepClosed(Conflict):
    """The performed step is completed or discontinued and may no longer be changed."""

    code, title = "performed-step-closed", "Performed step is closed"


class BadStep(Malformed):
    """The data set is no valid performed step; the detail names the attribute."""

    code, title = "bad-performed-step", "Performed step not valid"


class BadCommitment(Malformed):
    """The data set is no valid storage commitment request or report."""

    code, title = "bad-commitment", "Storage commitment not valid"
