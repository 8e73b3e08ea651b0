# SPDX-License-Identifier: Apache-2.0
"""What the analysis room counts."""

from prometheus_client import Counter, Histogram

from healthvision.kernel.telemetry import REGISTRY

NOTIFIED_SECONDS = Histogram(
    "hv_analysis_notified_seconds",
    "From the last instance (or the request) to the first notice of the result",
    ["priority"],
    buckets=(5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800),
    registry=REGISTRY,
)
DEADLINES = Counter(
    "hv_analysis_deadlines_total",
    "Clocks of analysis tasks that ended, by outcome",
    ["priority", "outcome"],
    registry=REGISTRY,
)
PREEMPTIONS = Counter(
    "hv_analysis_preemptions_total",
    "Analyses stopped to make room for a STAT task",
    ["priority"],
    registry=REGISTRY,
)
