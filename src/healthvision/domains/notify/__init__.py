# SPDX-License-Identifier: Apache-2.0
"""Knows how to send, never why: channels, subscriptions, deliveries."""
