# SPDX-License-Identifier: Apache-2.0
"""Definition, rights, titles and policies of a space."""
