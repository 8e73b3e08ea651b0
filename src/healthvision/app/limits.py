# SPDX-License-Identifier: Apache-2.0
"""All published limits in one list, each from the room that keeps it."""

from healthvision.domains.analysis import service as analysis
from healthvision.domains.archive import service as archive
from healthvision.domains.identity import service as identity
from healthvision.kernel.http import MAX_JSON_BYTES
from healthvision.kernel.resources import Resources
from healthvision.kernel.schemas import Read


class LimitRead(Read):
    """One limit: what, how much, in which unit."""

    name: str
    value: int
    unit: str
    note: str


def published_limits(resources: Resources) -> list[LimitRead]:
    """Return every limit a caller can run into."""
    rows = [LimitRead(name="json_body", value=MAX_JSON_BYTES, unit="By", note="one request body")]
    for name, value, unit, note in (
        *identity.published_limits(resources),
        *archive.published_limits(resources),
        *analysis.published_limits(resources),
    ):
        rows.append(LimitRead(name=name, value=value, unit=unit, note=note))
    return rows
