# SPDX-License-Identifier: Apache-2.0
"""The rooms: every rule of the product, and only here."""
