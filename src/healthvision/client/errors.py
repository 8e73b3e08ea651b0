# SPDX-License-Identifier: Apache-2.0
"""What can go wrong when talking to HealthVision.

ClientError
+- ApiError              the server answered with a problem document
+- ConnectionFailed      no answer, also after the retries
+- WaitTimeout           the awaited thing did not happen in time
+- UploadFailed          the upload was taken in and failed, or the file changed meanwhile
"""

from typing import Any


class ClientError(Exception):
    """Base of everything this client raises."""


class ApiError(ClientError):
    """An answer that is no success (RFC 9457).

    ``code``: the stable word of the problem; ``document``: the whole problem document.
    """

    def __init__(self, status: int, code: str, detail: str, document: dict[str, Any]) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.document = document


class ConnectionFailed(ClientError):
    """The server could not be reached, or cut the connection."""


class WaitTimeout(ClientError):
    """The time to wait is over."""


class UploadFailed(ClientError):
    """An upload ended badly; the text says why."""
