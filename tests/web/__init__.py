# SPDX-License-Identifier: Apache-2.0
"""The web interface: its build, its own tests, and journeys in a real browser."""
