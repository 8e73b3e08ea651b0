# SPDX-License-Identifier: Apache-2.0
"""The archive as others use it: one way in (``receive``), one way out (``read_instances``)."""

from healthvision.domains.archive.reading import (
    Pixels,
    locate,
    metadata,
    open_bytes,
    read_bytes,
    read_instances,
    record_access,
    study_instances,
    study_metadata,
)
from healthvision.domains.archive.receiving import receive

__all__ = [
    "Pixels",
    "locate",
    "metadata",
    "open_bytes",
    "read_bytes",
    "read_instances",
    "receive",
    "record_access",
    "study_instances",
    "study_metadata",
]
