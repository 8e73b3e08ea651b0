# SPDX-License-Identifier: Apache-2.0
"""HealthVision: an open medical-imaging data and AI platform (decision support, not a diagnosis)."""

__version__ = "0.1.0"
