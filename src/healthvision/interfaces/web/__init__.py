# SPDX-License-Identifier: Apache-2.0
"""The door of the web workstation: its pages and its session."""
