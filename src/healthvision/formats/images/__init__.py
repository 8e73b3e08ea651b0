# SPDX-License-Identifier: Apache-2.0
"""JPEG, PNG and TIFF pictures into DICOM objects, and pixels into PNG."""
