# SPDX-License-Identifier: Apache-2.0
"""Stored objects and frames into Explicit VR Little Endian (PS3.5 A.2), decoded where needed.

These functions take processor time: call them in a thread.
"""

import io
import struct
import warnings

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.part10 import tokenize
from healthvision.formats.dicom.pixels import decode_frame
from healthvision.kernel.errors import NotAcceptable

MAX_DECODED = 1 << 30  # bytes of decoded pixels of one object
_WIDE = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    OSError,
    struct.error,
)


class CannotDecode(NotAcceptable):
    """The stored pixels cannot be decoded here; ask for ``transfer-syntax=*``."""

    code, title = "cannot-decode", "Stored encoding cannot be decoded"


def to_explicit(data: bytes) -> bytes:
    """Return a Part 10 object as Explicit VR Little Endian; raises CannotDecode."""
    try:
        header = read_header(data)
        _check_size(header)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _rewrite(data, header)
    except DicomRefused as problem:
        raise CannotDecode(problem.detail) from None
    except _ERRORS as error:
        raise CannotDecode(
            f"{header.transfer_syntax} cannot be decoded ({type(error).__name__}); "
            "ask for transfer-syntax=*"
        ) from None


def _check_size(header: InstanceHeader) -> None:
    bits = header.bits_allocated or 8
    frame = (header.rows or 0) * (header.columns or 0) * header.samples_per_pixel * bits // 8
    if frame * header.number_of_frames > MAX_DECODED:
        raise CannotDecode("the decoded object would be too large; ask for transfer-syntax=*")


def _rewrite(data: bytes, header: InstanceHeader) -> bytes:
    dataset: pydicom.Dataset = pydicom.dcmread(io.BytesIO(data))
    if header.encapsulated:
        dataset.decompress(generate_instance_uid=False)
    elif not header.little_endian:
        dataset = _turned(dataset)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True, force_encoding=True)
    return out.getvalue()


def _turned(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """Return a little endian copy; pydicom turns numbers round, words in binary values not."""
    for element in dataset.iterall():  # reads every number by the old byte order
        if element.VR in _WIDE and isinstance(element.value, bytes):
            size = _WIDE[element.VR]
            if element.tag == 0x7FE00010:  # OW of 32 or 64 bits is turned by the pixel
                size = max(size, int(dataset.get("BitsAllocated") or 16) // 8)
            whole = len(element.value) // size * size
            element.value = np.frombuffer(element.value[:whole], f">u{size}").byteswap().tobytes()
    out = pydicom.Dataset()
    out.file_meta, out.preamble = dataset.file_meta, dataset.preamble
    for element in dataset:
        out.add(element)
    return out


def frame_as_explicit(data: bytes, index: int) -> bytes:
    """Return frame ``index`` (from 0) as native little endian samples; raises CannotDecode.

    Grey as stored values in Bits Allocated, colour by pixel, one bit per pixel packed from the
    lowest bit (PS3.5 8.2).
    """
    try:
        header = read_header(data)
        pixels = decode_frame(data, header, index)
    except DicomRefused as problem:
        raise CannotDecode(problem.detail) from None
    if header.bits_allocated == 1:
        return np.packbits(pixels.ravel() != 0, bitorder="little").tobytes()
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()


def inflated_value(data: bytes, offset: int, length: int) -> bytes:
    """Return a value of a deflated object by its place in the inflated data set."""
    return bytes(tokenize(data).buffer[offset : offset + length])
