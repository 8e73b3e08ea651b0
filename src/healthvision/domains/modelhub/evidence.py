# SPDX-License-Identifier: Apache-2.0
"""How high an evidence level the stored records carry."""

from collections.abc import Iterable

from healthvision.clinical.result import EvidenceLevel
from healthvision.domains.modelhub.ports import EvidenceRecord


def supported_level(records: Iterable[EvidenceRecord]) -> EvidenceLevel:
    """Return the highest evidence level that the records support.

    E0 needs no record. E1 needs a phantom record with n >= 1, E2 and E3 one with n >= 2 and an
    interval that holds the value.
    """
    level = EvidenceLevel.E0
    for record in records:
        counted = record.n >= (1 if record.level is EvidenceLevel.E1 else 2)
        if record.level in (EvidenceLevel.E2, EvidenceLevel.E3):
            bounded = record.low is not None and record.high is not None
            counted = counted and bounded and _between(record)
        if counted:
            level = max(level, record.level)
    return level


def level_of_finding(records: Iterable[EvidenceRecord], code: str) -> EvidenceLevel:
    """Return the highest level that the records about one kind of finding support.

    Records that name no finding speak for all of them.
    """
    return supported_level(r for r in records if not r.findings or code in r.findings)


def _between(record: EvidenceRecord) -> bool:
    assert record.low is not None and record.high is not None
    return record.low <= record.value <= record.high
