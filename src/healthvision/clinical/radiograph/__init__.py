# SPDX-License-Identifier: Apache-2.0
"""Frontal chest radiographs: lung fields, heart, zones, gates; pure, without a database."""
