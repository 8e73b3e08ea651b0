# SPDX-License-Identifier: Apache-2.0
"""Gives made-up studies the names and texts of a Chinese hospital."""

import io

import pydicom


def as_patient(
    files: list[bytes], name: str, description: str, *, stat: bool = False
) -> list[bytes]:
    """Return the files with another patient name, description and priority."""
    return [_renamed(data, name, description, stat) for data in files]


def _renamed(data: bytes, name: str, description: str, stat: bool) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data))
    ds.PatientName, ds.StudyDescription = name, description
    if stat:
        ds.RequestedProcedurePriority = "STAT"
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()
