# SPDX-License-Identifier: Apache-2.0
"""Bytes that journeys send: multipart bodies, pictures, forms."""

import base64
import hashlib
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pydicom
from PIL import Image

PASSWORD = "correct horse battery 9"
VERIFIER = "v" * 20 + "0123456789-._~" + "w" * 20
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
AUTHORIZE = {
    "response_type": "code",
    "client_id": "healthvision-cli",
    "redirect_uri": "http://127.0.0.1:49152/callback",
    "state": "s-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass(frozen=True)
class Uids:
    """The UIDs of one object."""

    study: str
    series: str
    instance: str


def uids_of(data: bytes) -> Uids:
    """Read the UIDs of a Part 10 file."""
    ds = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return Uids(str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID))


def related(objects: Sequence[bytes]) -> tuple[bytes, str]:
    """Return a multipart/related body and its Content-Type."""
    head = b"--hvtest\r\nContent-Type: application/dicom\r\n\r\n"
    body = b"\r\n".join([*(head + data for data in objects), b"--hvtest--\r\n"])
    return body, 'multipart/related; type="application/dicom"; boundary=hvtest'


def picture(number: int) -> bytes:
    """Return a small PNG; each number gives another one."""
    pixels = (np.arange(48 * 40).reshape(48, 40) * (number % 97 + 1) + number) % 251
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page of ours."""
    found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}
