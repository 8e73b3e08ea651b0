# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with work items."""

from healthvision.kernel.errors import Conflict, Malformed, NotFound


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
