# SPDX-License-Identifier: Apache-2.0
"""NIfTI files into DICOM series and volumes into NIfTI files."""
