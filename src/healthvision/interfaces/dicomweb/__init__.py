# SPDX-License-Identifier: Apache-2.0
"""DICOMweb (PS3.18): STOW-RS, QIDO-RS, WADO-RS."""
