# SPDX-License-Identifier: Apache-2.0
"""Why a picture is refused."""

from healthvision.kernel.errors import Invalid


class ImageRefused(Invalid):
    """The file is no picture that can be stored; ``reason`` is a stable word."""

    code, title = "image-refused", "Picture refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason
