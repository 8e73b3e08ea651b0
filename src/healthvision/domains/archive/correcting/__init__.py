# SPDX-License-Identifier: Apache-2.0
"""Merge, move, split, edit, reject, each with a history and undo; originals kept."""
