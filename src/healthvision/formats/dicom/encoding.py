# SPDX-License-Identifier: Apache-2.0
"""One frame of stored values as a compressed stream (PS3.5 8.2)."""

import imagecodecs
import numpy as np
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from healthvision.clinical.volume import Array
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.picture import encode

HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
SCREEN_QUALITY = 90


def encode_stored(pixels: Array, header: InstanceHeader, syntax: str, photometric: str) -> bytes:
    """Return one frame, (rows, columns[, samples]), losslessly in an encapsulated syntax.

    ``photometric``: what ``pixels`` are; no colour transform is applied. Raises DicomRefused
    'encode' when the syntax cannot hold them, and what the encoders raise.
    """
    if header.bits_allocated not in (8, 16) and syntax != RLELossless:
        raise DicomRefused(
            "encode", f"{header.bits_allocated}-bit pixels are given as stored only."
        )
    if header.bits_allocated not in (8, 16, 32):
        raise DicomRefused(
            "encode", f"{header.bits_allocated}-bit pixels are given as stored only."
        )
    if syntax == HTJ2K_LOSSLESS:
        return _even(imagecodecs.htj2k_encode(_held(pixels, header), reversible=True, rgb=False))
    if syntax == JPEG2000Lossless:
        return _even(_jpeg_2000(_held(pixels, header), header))
    return _even(_by_pydicom(_held(pixels, header), header, syntax, photometric))


def to_screen_jpeg(pixels: Array, header: InstanceHeader) -> bytes:
    """Return 8-bit stored values as a baseline JPEG; raises DicomRefused 'encode' for others."""
    if (header.bits_stored or 0) > 8 or pixels.dtype != np.uint8 or header.pixel_representation:
        raise DicomRefused("encode", f"{JPEGBaseline8Bit} holds 8 bits per sample only.")
    if header.photometric_interpretation == "PALETTE COLOR":
        raise DicomRefused("encode", "Palette indices cannot be compressed with loss.")
    return _even(encode(pixels, "image/jpeg", quality=SCREEN_QUALITY))


def _held(pixels: Array, header: InstanceHeader) -> Array:
    """Return the values in native byte order and in Bits Allocated."""
    kind = "i" if header.pixel_representation else "u"
    size = (header.bits_allocated or 16) // 8
    return np.ascontiguousarray(pixels, np.dtype(f"={kind}{size}"))


def _jpeg_2000(pixels: Array, header: InstanceHeader) -> bytes:
    levels = max(1, min(6, min(pixels.shape[:2]).bit_length() - 1))
    made = imagecodecs.jpeg2k_encode(
        pixels,
        level=0,
        codecformat="J2K",
        reversible=True,
        mct=False,
        bitspersample=header.bits_stored or pixels.dtype.itemsize * 8,
        resolutions=levels,
        numthreads=1,
    )
    return bytes(made)


def _by_pydicom(pixels: Array, header: InstanceHeader, syntax: str, photometric: str) -> bytes:
    stored = header.bits_stored or header.bits_allocated or 16
    return get_encoder(syntax).encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1 if pixels.ndim == 2 else pixels.shape[2],
        bits_allocated=pixels.dtype.itemsize * 8,
        bits_stored=stored,
        pixel_representation=header.pixel_representation,
        photometric_interpretation=photometric,
        number_of_frames=1,
        planar_configuration=0,
    )


def _even(data: bytes | bytearray) -> bytes:
    data = bytes(data)
    return data + b"\0" if len(data) % 2 else data
