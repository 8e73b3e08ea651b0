# SPDX-License-Identifier: Apache-2.0
"""Tools without business words: database, events, jobs, errors, security, http, telemetry."""
