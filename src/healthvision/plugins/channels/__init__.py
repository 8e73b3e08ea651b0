# SPDX-License-Identifier: Apache-2.0
"""Notification channels; port: ``domains/notify/ports.py``."""
