# SPDX-License-Identifier: Apache-2.0
"""Rejection notes (IHE IOCM) and other key object documents, as a console sends them."""

import io
from collections.abc import Sequence
from typing import Any

import highdicom as hd
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

QUALITY, SAFETY, WORKLIST, EXPIRED = "113001", "113037", "113038", "113039"
OF_INTEREST = "113000"  # an ordinary key object document
MEANINGS = {
    QUALITY: "Rejected for Quality Reasons",
    SAFETY: "Rejected for Patient Safety Reasons",
    WORKLIST: "Incorrect Modality Worklist Entry",
    EXPIRED: "Data Retention Policy Expired",
    OF_INTEREST: "Of Interest",
}


def note_bytes(
    named: Sequence[bytes], title: str = QUALITY, *, also: Dataset | None = None, **more: Any
) -> bytes:
    """Return a note about objects of one study, as highdicom writes it; ``also``: more evidence."""
    evidence = [pydicom.dcmread(io.BytesIO(data)) for data in named]
    for image in evidence:
        image.StudyID = image.ReferringPhysicianName = ""
    content = hd.ko.KeyObjectSelection(
        document_title=Code(title, "DCM", MEANINGS[title]), referenced_objects=evidence
    )
    document = hd.ko.KeyObjectSelectionDocument(
        evidence=evidence,
        content=content,
        series_instance_uid=generate_uid(),
        series_number=900,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Console",
        institution_name="Clinic",
    )
    if also is not None:
        document.CurrentRequestedProcedureEvidenceSequence.append(also)
    for keyword, value in more.items():
        setattr(document, keyword, value)
    out = io.BytesIO()
    document.save_as(out, enforce_file_format=True)
    return out.getvalue()
