# SPDX-License-Identifier: Apache-2.0
"""From bytes to rows: scan, journal, one bulk writer, the answer."""
