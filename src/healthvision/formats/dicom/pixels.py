# SPDX-License-Identifier: Apache-2.0
"""One frame of stored values, decoded only after its size was checked (PS3.5 8)."""

import io
import struct
import warnings

import numpy as np
import pydicom
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.codecs import plugins_for
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.frames import frame_bytes
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.part10 import Buffer, tokenize

_DECODER_ERRORS = (
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
    MemoryError,
    struct.error,
)


def decode_frame(data: Buffer, header: InstanceHeader, index: int = 0) -> Array:
    """Return stored values of one frame: (rows, columns) or (rows, columns, samples).

    ``data``: the whole Part 10 object, ``index`` from 0. Native grey frames have unused bits
    masked and the sign extended. Colour is returned as RGB. Raises DicomRefused 'no-pixels',
    'frame-number', 'decode' (names the transfer syntax) or 'colour'.
    """
    if not header.has_pixels:
        raise DicomRefused("no-pixels", "The object holds no picture.")
    if not 0 <= index < header.number_of_frames:
        raise DicomRefused("frame-number", f"There are {header.number_of_frames} frames.")
    if _plain(header):
        buffer = tokenize(data).buffer if header.deflated else data
        return _native(buffer, header, index)
    return _by_pydicom(data, header, index)


def _plain(header: InstanceHeader) -> bool:
    return (
        not header.encapsulated
        and header.samples_per_pixel == 1
        and header.bits_allocated in (8, 16, 32)
        and "7FE00010" in header.json
        and len(header.frames) == header.number_of_frames
    )


def _native(data: Buffer, header: InstanceHeader, index: int) -> Array:
    assert header.bits_allocated is not None
    assert header.rows is not None and header.columns is not None
    ((offset, _),) = header.frames[index]
    order = "<" if header.little_endian else ">"
    kind = "i" if header.pixel_representation else "u"
    size = header.bits_allocated // 8
    count = header.rows * header.columns
    if not header.little_endian and size == 1:
        return _by_pydicom(data, header, index)  # OW bytes may be swapped
    flat = np.frombuffer(data, np.dtype(f"{order}{kind}{size}"), count, offset)
    pixels = flat.reshape(header.rows, header.columns)
    if order == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    stored = header.bits_stored or header.bits_allocated
    shift = header.bits_allocated - stored
    if shift and header.high_bit in (None, stored - 1):
        pixels = (pixels << shift) >> shift
    return pixels


def _by_pydicom(data: Buffer, header: InstanceHeader, index: int) -> Array:
    name = UID(header.transfer_syntax).name
    reason, out = "no decoder takes this stream", None
    for plugin in _plugins(data, header, index):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                out = _decoded(data, header, index, plugin)
            break
        except _DECODER_ERRORS as error:
            reason = type(error).__name__
    if out is None:
        raise DicomRefused("decode", f"The pixels cannot be decoded ({name}): {reason}.")
    expected = (header.rows, header.columns)
    if out.shape[:2] != expected:
        raise DicomRefused("decode", f"The decoded picture is not {expected} ({name}).")
    return out


def _plugins(data: Buffer, header: InstanceHeader, index: int) -> tuple[str, ...]:
    if not header.encapsulated or index >= len(header.frames):
        return ("",)
    return plugins_for(header, frame_bytes(data, header.frames[index]))


def _decoded(data: Buffer, header: InstanceHeader, index: int, plugin: str) -> Array:
    if not header.deflated:
        return pixel_array(io.BytesIO(data), index=index, decoding_plugin=plugin)
    pixels = pydicom.dcmread(io.BytesIO(data)).pixel_array  # cannot be read frame by frame
    return pixels[index] if header.number_of_frames > 1 else pixels


def open_dataset(data: Buffer) -> pydicom.Dataset:
    """Return the header as a pydicom data set; call ``read_header`` first, it bounds the input.

    Raises DicomRefused 'structure' when pydicom cannot read what the tokenizer let pass.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    except _DECODER_ERRORS as error:
        raise DicomRefused("structure", f"Unreadable header: {type(error).__name__}.") from None
