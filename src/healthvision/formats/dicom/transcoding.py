# SPDX-License-Identifier: Apache-2.0
"""Objects and frames from one transfer syntax into another (PS3.5 8.2, 10, A).

Lossless targets keep every stored value. JPEG Baseline is lossy: the object becomes a derived one
with its own SOP Instance UID (PS3.3 C.7.6.1.1.5). These functions take processor time and memory
and call decoders in C: run them in a child process.
"""

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.encoding import HTJ2K_LOSSLESS, encode_stored, to_screen_jpeg
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.part10 import tokenize
from healthvision.formats.dicom.pixels import decode_frame
from healthvision.formats.dicom.uids import derive_uid

LOSSLESS = (JPEGLSLossless, JPEG2000Lossless, HTJ2K_LOSSLESS, RLELossless)
TARGETS = frozenset(
    {ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, *LOSSLESS}
)
MAX_DECODED = 1 << 30  # bytes of decoded pixels of one object
_NATIVE = (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
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


@dataclass(frozen=True, slots=True)
class _Coded:
    """Encoded frames and what must be said about them."""

    frames: list[bytes]
    photometric: str
    bytes_before: int

    @property
    def ratio(self) -> float:
        """Return how many times smaller the frames became."""
        return round(self.bytes_before / max(sum(map(len, self.frames)), 1), 3)


def transcode(data: bytes, syntax: str) -> bytes:
    """Return a Part 10 object in one of ``TARGETS``.

    Raises DicomRefused 'decode' (the stored pixels cannot be decoded), 'encode' (the target
    cannot hold them) or 'too-large'.
    """
    if syntax not in TARGETS:
        raise DicomRefused("encode", f"Objects are not written as {syntax}.")
    try:
        header = read_header(data)
        _check_size(header)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if syntax in _NATIVE or not header.has_pixels:
                return _native(data, header, syntax if syntax in _NATIVE else _NATIVE[0])
            return _encapsulated(data, header, syntax)
    except _ERRORS as error:
        raise DicomRefused(
            "decode",
            f"{header.transfer_syntax} cannot be decoded ({type(error).__name__}); "
            "ask for transfer-syntax=*",
        ) from None


def transcode_frame(data: bytes, index: int, syntax: str) -> bytes:
    """Return frame ``index`` (from 0) in a transfer syntax; raises DicomRefused.

    Native: grey as stored values in Bits Allocated, colour by pixel, one bit per pixel packed
    from the lowest bit (PS3.5 8.2). Others: the bytes of the compressed stream.
    """
    header = read_header(data)
    if syntax == ExplicitVRLittleEndian:
        return _native_frame(data, header, index)
    if syntax not in TARGETS:
        raise DicomRefused("encode", f"Frames are not written as {syntax}.")
    if not header.has_pixels or not 0 <= index < header.number_of_frames:
        raise DicomRefused("frame-number", f"There are {header.number_of_frames} frames.")
    try:
        if syntax == JPEGBaseline8Bit:
            return to_screen_jpeg(_shown(data, header, index), header)
        pixels, photometric = _stored(data, header, index)
        return encode_stored(pixels, header, syntax, photometric)
    except _ERRORS as error:
        raise DicomRefused(
            "encode", f"The frame cannot be coded ({type(error).__name__})."
        ) from None


def inflated_value(data: bytes, offset: int, length: int) -> bytes:
    """Return a value of a deflated object by its place in the inflated data set."""
    return bytes(tokenize(data).buffer[offset : offset + length])


def _check_size(header: InstanceHeader) -> None:
    bits = header.bits_allocated or 8
    frame = (header.rows or 0) * (header.columns or 0) * header.samples_per_pixel * bits // 8
    if frame * header.number_of_frames > MAX_DECODED:
        raise DicomRefused(
            "too-large", "The decoded object would be too large; ask for transfer-syntax=*."
        )


def _native(data: bytes, header: InstanceHeader, syntax: str) -> bytes:
    dataset: pydicom.Dataset = pydicom.dcmread(io.BytesIO(data))
    if header.encapsulated:
        dataset.decompress(generate_instance_uid=False)
    elif not header.little_endian:
        dataset = _turned(dataset)
    return _written(dataset, syntax)


def _written(dataset: pydicom.Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
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


def _native_frame(data: bytes, header: InstanceHeader, index: int) -> bytes:
    pixels = decode_frame(data, header, index)
    if header.bits_allocated == 1:
        return np.packbits(pixels.ravel() != 0, bitorder="little").tobytes()
    return np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()


def _stored(data: bytes, header: InstanceHeader, index: int) -> tuple[Array, str]:
    """Return one frame's values without change of colour where nothing was lost before."""
    photometric = header.photometric_interpretation
    if header.samples_per_pixel == 1:
        return decode_frame(data, header, index), photometric
    if header.encapsulated and header.transfer_syntax != RLELossless:
        return decode_frame(data, header, index), "RGB"
    if photometric not in ("RGB", "YBR_FULL"):
        raise DicomRefused("encode", f"{photometric} is given as stored only.")
    return pixel_array(io.BytesIO(data), index=index, raw=True), photometric


def _shown(data: bytes, header: InstanceHeader, index: int) -> Array:
    return decode_frame(data, header, index)


def _encapsulated(data: bytes, header: InstanceHeader, syntax: str) -> bytes:
    if "7FE00010" not in header.json:
        raise DicomRefused("encode", "Floating point pixels are given uncompressed only.")
    dataset: pydicom.Dataset = pydicom.dcmread(io.BytesIO(data))
    if not header.little_endian:
        dataset = _turned(dataset)
    coded = _code(data, header, syntax)
    dataset.PixelData = encapsulate(coded.frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.PhotometricInterpretation = coded.photometric
    if header.samples_per_pixel > 1:
        dataset.PlanarConfiguration = 1 if syntax == RLELossless else 0
    if syntax == JPEGBaseline8Bit:
        _mark_lossy(dataset, coded)
    return _written(dataset, syntax)


def _code(data: bytes, header: InstanceHeader, syntax: str) -> _Coded:
    frames: list[bytes] = []
    photometric, before = header.photometric_interpretation, 0
    for index in range(header.number_of_frames):
        if syntax == JPEGBaseline8Bit:
            pixels = _shown(data, header, index)
            frames.append(to_screen_jpeg(pixels, header))
            photometric = "YBR_FULL_422" if pixels.ndim == 3 else photometric
        else:
            pixels, photometric = _stored(data, header, index)
            frames.append(encode_stored(pixels, header, syntax, photometric))
        before += pixels.nbytes
    return _Coded(frames, photometric, before)


def _mark_lossy(dataset: pydicom.Dataset, coded: _Coded) -> None:
    """Say that values were lost and from which object (PS3.3 C.7.6.1.1.2, C.7.6.1.1.5)."""
    source = pydicom.Dataset()
    source.ReferencedSOPClassUID = dataset.SOPClassUID
    source.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SourceImageSequence = Sequence([source])
    dataset.SOPInstanceUID = derive_uid(str(dataset.SOPInstanceUID), str(JPEGBaseline8Bit))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    kind = [str(v) for v in dataset.get("ImageType") or ["ORIGINAL", "PRIMARY"]]
    dataset.ImageType = ["DERIVED", *kind[1:]]
    dataset.LossyImageCompression = "01"
    ratios, methods = (
        _listed(dataset, f"LossyImageCompression{what}") for what in ("Ratio", "Method")
    )
    dataset.LossyImageCompressionRatio = [*ratios, coded.ratio]
    dataset.LossyImageCompressionMethod = [*methods, "ISO_10918_1"]


def _listed(dataset: pydicom.Dataset, keyword: str) -> list[object]:
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if not isinstance(value, str) and hasattr(value, "__iter__") else [value]
