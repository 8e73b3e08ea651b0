# SPDX-License-Identifier: Apache-2.0
"""A stored object in an uncompressed transfer syntax, for peers that take nothing else.

Takes processor time and memory, and runs decoders: call it in a child process (kernel.apart).
"""

import io
import warnings

import pydicom

from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.transcoding import transcode


def uncompressed(data: bytes, syntax: str) -> bytes:
    """Return a Part 10 object in explicit or implicit VR little endian; raises DicomRefused."""
    plain = transcode(data, EXPLICIT_LE)
    if syntax != IMPLICIT_LE:
        return plain
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(plain))
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        out = io.BytesIO()
        dataset.save_as(out, implicit_vr=True, little_endian=True, force_encoding=True)
    return out.getvalue()
