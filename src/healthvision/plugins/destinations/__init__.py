# SPDX-License-Identifier: Apache-2.0
"""Ways to push results and studies to others: DICOM (C-STORE) and DICOMweb (STOW-RS)."""
