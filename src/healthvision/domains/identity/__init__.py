# SPDX-License-Identifier: Apache-2.0
"""Organisations, users, roles, keys, tokens: who may come in."""
