# SPDX-License-Identifier: Apache-2.0
"""Small statistics over doctors' decisions. Pure."""
