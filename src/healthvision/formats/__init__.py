# SPDX-License-Identifier: Apache-2.0
"""Bytes into clinical values and back; pure, bounded against hostile input."""
