# SPDX-License-Identifier: Apache-2.0
"""The audit room as others use it: recording, sealing, checking and asking."""

from healthvision.domains.audit.acts import act, list_actions
from healthvision.domains.audit.queries import (
    compliance_report,
    export_csv,
    list_events,
    prove,
    recent_start,
    security_events,
    who_saw,
)
from healthvision.domains.audit.recording import (
    flush,
    record,
    record_look,
    record_now,
    record_pixels,
    record_read,
    record_rows,
    record_rows_on,
    row_values,
    writer_of,
)
from healthvision.domains.audit.rows import Act
from healthvision.domains.audit.sealer import publish_heads, restart_anchors, seal, seal_batch
from healthvision.domains.audit.verify import verify

__all__ = [
    "Act",
    "act",
    "compliance_report",
    "export_csv",
    "flush",
    "list_actions",
    "list_events",
    "prove",
    "publish_heads",
    "recent_start",
    "record",
    "record_look",
    "record_now",
    "record_pixels",
    "record_read",
    "record_rows",
    "record_rows_on",
    "restart_anchors",
    "row_values",
    "seal",
    "seal_batch",
    "security_events",
    "verify",
    "who_saw",
    "writer_of",
]
