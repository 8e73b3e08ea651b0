# SPDX-License-Identifier: Apache-2.0
"""Why a NIfTI file is refused."""

from healthvision.kernel.errors import Invalid


class NiftiRefused(Invalid):
    """The file is no NIfTI volume that can become a DICOM series; ``reason`` is a stable word."""

    code, title = "nifti-refused", "NIfTI file refused"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason
