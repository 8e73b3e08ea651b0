# SPDX-License-Identifier: Apache-2.0
"""The order of the worklist: STAT first, then running clocks, then the newest study.

Studies with a signed report come behind all others.
"""

from datetime import datetime

RANKS = {"stat": 0, "urgent": 1, "routine": 2, "bulk": 3}
DONE = 10
_BEHIND = 9_000_000_000_000  # milliseconds; larger than any deadline
_DICOM = {"STAT": "stat", "HIGH": "urgent", "MEDIUM": "routine", "ROUTINE": "routine"}


def priority_of(dicom: str, tasks: list[str]) -> str:
    """Return the most urgent of Requested Procedure Priority (0040,1003) and task priorities.

    A study that only had bulk tasks is 'bulk'; with neither it is 'routine'.
    """
    known = [name for name in (_DICOM.get(dicom.strip().upper()), *tasks) if name in RANKS]
    return min(known, key=lambda name: RANKS[name]) if known else "routine"


def rank_of(priority: str, *, done: bool) -> int:
    """Return the first sort value."""
    return DONE + RANKS[priority] if done else RANKS[priority]


def order_key_of(deadline: datetime | None, received: datetime) -> int:
    """Return the second sort value: the running deadline, else newest first behind them."""
    if deadline is not None:
        return milliseconds(deadline)
    return _BEHIND - milliseconds(received)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(moment.timestamp() * 1000)
