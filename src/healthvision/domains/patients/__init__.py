# SPDX-License-Identifier: Apache-2.0
"""Patients of an organisation."""
