# SPDX-License-Identifier: Apache-2.0
"""What a signature is over: one canonical JSON text of everything a doctor put the name under."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from healthvision.domains.reading.tables import ReportRow, ReportVersion
from healthvision.kernel import strictjson

_FIELDS = (
    "number",
    "version",
    "kind",
    "content",
    "author",
    "author_name",
    "reviewer",
    "reviewer_name",
    "previous",
)


def digest_of(report: ReportRow, entry: ReportVersion) -> str:
    """Return the SHA-256 of a signed entry, with the report and study it belongs to.

    Canonical: keys sorted, no white space, UTF-8, the time in UTC with microseconds.
    """
    signed: dict[str, Any] = {name: getattr(entry, name) for name in _FIELDS}
    signed |= {
        "report": str(report.id),
        "study": report.study_uid,
        "patient": str(report.patient_ref),
        "signed_at": _stamp(entry.signed_at),
    }
    return hashlib.sha256(strictjson.dumps(signed).encode()).hexdigest()


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
