# SPDX-License-Identifier: Apache-2.0
"""The life of a work item as one table (PS3.4 CC.1.1 and table CC.1.1-2)."""

from dataclasses import dataclass

from healthvision.domains.integration.errors import BadTransaction, WrongState

SCHEDULED, IN_PROGRESS = "SCHEDULED", "IN PROGRESS"
COMPLETED, CANCELED = "COMPLETED", "CANCELED"
STATES = (SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED)
FINAL = frozenset({COMPLETED, CANCELED})


@dataclass(frozen=True, slots=True)
class Move:
    """What a request for a state leads to: ``to`` another state, or nothing with a warning."""

    to: str | None
    warning: str = ""


_REFUSED = {
    (SCHEDULED, COMPLETED): "the work item is not yet IN PROGRESS",
    (SCHEDULED, CANCELED): "the work item is not yet IN PROGRESS; request its cancellation",
    (IN_PROGRESS, IN_PROGRESS): "the work item is already IN PROGRESS",
    (COMPLETED, IN_PROGRESS): "the work item is COMPLETED and may no longer be changed",
    (COMPLETED, CANCELED): "the work item is COMPLETED and may no longer be changed",
    (CANCELED, IN_PROGRESS): "the work item is CANCELED and may no longer be changed",
    (CANCELED, COMPLETED): "the work item is CANCELED and may no longer be changed",
}


def move(state: str, wanted: str, held: str, given: str) -> Move:
    """Judge a request for a state; ``held``: Transaction UID of the claim, ``given``: the sent one.

    Raises BadTransaction and WrongState.
    """
    if not given:
        raise BadTransaction("The Transaction UID is missing.")
    if wanted == SCHEDULED:
        raise WrongState("no work item goes back to SCHEDULED")
    if state == wanted and state in FINAL:
        if given != held:
            raise BadTransaction("The Transaction UID is incorrect.")
        return Move(None, f"The UPS is already in the requested state of {state}.")
    reason = _REFUSED.get((state, wanted))
    if reason is not None:
        raise WrongState(reason, state=state)
    if state == IN_PROGRESS and given != held:
        raise BadTransaction("The Transaction UID is incorrect.")
    return Move(wanted)


def may_update(state: str, held: str, given: str) -> None:
    """Allow an update: of a SCHEDULED item by anybody, else by whoever claimed it.

    Raises BadTransaction and WrongState.
    """
    if state in FINAL:
        raise WrongState(f"the work item is {state} and may no longer be changed", state=state)
    if state == SCHEDULED and given:
        raise BadTransaction("A Transaction UID is only for a work item that is IN PROGRESS.")
    if state == IN_PROGRESS and not given:
        raise BadTransaction("The Transaction UID is missing.")
    if state == IN_PROGRESS and given != held:
        raise BadTransaction("The Transaction UID is incorrect.")
