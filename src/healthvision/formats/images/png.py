# SPDX-License-Identifier: Apache-2.0
"""A stored DICOM frame as a PNG file for download."""

from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.part10 import Buffer
from healthvision.formats.dicom.render import Rendering, Window, render_frame


def to_png(
    data: Buffer, header: InstanceHeader, *, frame: int = 0, window: Window | None = None
) -> bytes:
    """Return frame ``frame`` (from 0) as an 8-bit PNG in full size (see ``render_frame``)."""
    return render_frame(data, header, frame=frame, how=Rendering(window=window, media="image/png"))
