# SPDX-License-Identifier: Apache-2.0
"""Pure imaging science: volumes, findings, measurement, guidelines, phantoms. No I/O."""
