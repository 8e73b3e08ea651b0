# SPDX-License-Identifier: Apache-2.0
"""Tests of HealthVision; the tree mirrors the package."""
