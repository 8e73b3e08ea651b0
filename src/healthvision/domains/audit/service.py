# SPDX-License-Identifier: Apache-2.0
"""The audit room as others use it."""

from healthvision.domains.audit.recording import (
    flush,
    record,
    record_now,
    record_pixels,
    record_read,
    record_rows,
    row_values,
)
from healthvision.domains.audit.rows import Act

__all__ = [
    "Act",
    "flush",
    "record",
    "record_now",
    "record_pixels",
    "record_read",
    "record_rows",
    "row_values",
]
