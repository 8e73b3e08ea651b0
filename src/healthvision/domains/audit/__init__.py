# SPDX-License-Identifier: Apache-2.0
"""Who did what, when, from where: unchained rows, one sealer, a tamper-evident log."""
