# SPDX-License-Identifier: Apache-2.0
"""Starts roles and joins everything; knows no rules."""
