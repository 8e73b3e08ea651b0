# SPDX-License-Identifier: Apache-2.0
"""HealthVision: open medical-imaging data and AI platform (decision support, no diagnosis)."""

__version__ = "0.1.0"
