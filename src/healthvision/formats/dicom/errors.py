# SPDX-License-Identifier: Apache-2.0
"""Why bytes are refused, and why a series is no volume."""

from healthvision.clinical.result import Text
from healthvision.kernel.errors import Invalid


class DicomRefused(Invalid):
    """The bytes are no DICOM object that can be stored or shown.

    ``reason``: stable word such as 'element-length' or 'uid-syntax'; ``field``: the attribute as
    ``(gggg,eeee) Keyword`` or '' when no single one is to blame. Never holds attribute values.
    """

    code, title = "dicom-refused", "DICOM object refused"

    def __init__(self, reason: str, detail: str, *, field: str = "") -> None:
        super().__init__(detail, reason=reason, field=field)
        self.reason = reason
        self.field = field


class NotAVolume(ValueError):
    """A series that cannot be put together as one volume.

    ``reason``: 'no-images', 'four-dimensional', 'mixed-orientation', 'gap', 'no-geometry',
    'mixed-series', 'too-large' or 'colour'; ``text`` says it in both languages.
    """

    def __init__(self, reason: str, text: Text) -> None:
        super().__init__(text.en)
        self.reason = reason
        self.text = text
