# SPDX-License-Identifier: Apache-2.0
"""The typed Python client of the HealthVision API (imports nothing of the server)."""
