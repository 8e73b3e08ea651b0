# SPDX-License-Identifier: Apache-2.0
"""Alembic migrations of all rooms' tables."""
