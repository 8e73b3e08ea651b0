# SPDX-License-Identifier: Apache-2.0
"""The reading room: the worklist, doctors' verdicts on AI results, and reports."""
