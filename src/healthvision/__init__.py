# SPDX-License-Identifier: Apache-2.0
"""HealthVision: open medical-imaging data and AI platform (decision support, no diagnosis)."""

import os

__version__ = "0.1.0"

# onnxruntime reports to its maker from its import on; it reads this before (docs/security.md)
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
