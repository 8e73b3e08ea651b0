# SPDX-License-Identifier: Apache-2.0
"""DICOM bytes into values and back: bounded reading, volumes, pictures, SEG, SR, SC, PDF."""
