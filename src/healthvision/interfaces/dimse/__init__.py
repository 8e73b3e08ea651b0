# SPDX-License-Identifier: Apache-2.0
"""The DICOM network door: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET as SCP."""
