# SPDX-License-Identifier: Apache-2.0
"""The sealer as periodic work."""

from prometheus_client import Counter, Gauge

from healthvision.domains.audit import service
from healthvision.domains.audit.errors import AuditTampered
from healthvision.kernel.jobs import JobContext
from healthvision.kernel.telemetry import REGISTRY

SEAL_EVERY_S = 1.0
SEALED = Counter("hv_audit_sealed_total", "Audit events sealed", registry=REGISTRY)
TAMPERED = Gauge(
    "hv_audit_tampered", "1 while the log contradicts its published head", registry=REGISTRY
)


async def seal(context: JobContext) -> None:
    """Seal what waits; a contradiction raises AuditTampered and shows in the metrics."""
    try:
        SEALED.inc(await service.seal(context.db))
    except AuditTampered:
        TAMPERED.set(1)
        raise
    TAMPERED.set(0)
