# SPDX-License-Identifier: Apache-2.0
"""Doors with a foreign language: translate, call a service, translate back."""
