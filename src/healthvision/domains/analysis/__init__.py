# SPDX-License-Identifier: Apache-2.0
"""Tasks, priorities, deadlines, results, explanations."""
