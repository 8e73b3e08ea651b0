# SPDX-License-Identifier: Apache-2.0
"""The tree of expected failures.

Problem
+- Invalid 422            +- Unauthenticated 401   +- NotFound 404      +- TooMany 429
|  +- Malformed 400       +- Forbidden 403         +- Conflict 409      +- Busy 503
|  +- TooLarge 413                                 |  +- PreconditionFailed 412
|  +- UnsupportedMedia 415                         +- Gone 410          +- OutOfSpace 507
|  +- NotAcceptable 406

Rooms subclass these with a ``code`` of their own. Each edge (HTTP, DIMSE, HL7, jobs) has one
translator. Anything that is not a Problem is a bug. Details never hold personal data.
"""

from typing import ClassVar

JsonScalar = str | int | float | bool | None


class Problem(Exception):
    """An expected failure with everything an edge needs to say it (RFC 9457).

    ``detail``: one sentence for the caller that names the field, file or limit.
    ``extra``: further members of the problem document, e.g. ``limit=100``.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "problem"
    title: ClassVar[str] = "Problem"
    retry: ClassVar[bool] = False  # whether a job meeting it tries again

    def __init__(
        self, detail: str = "", *, retry_after: float | None = None, **extra: JsonScalar
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after = retry_after
        self.extra = extra

    @classmethod
    def type_uri(cls) -> str:
        """Return the stable identifier of this kind of problem."""
        return f"urn:healthvision:problem:{cls.code}"

    def document(self) -> dict[str, JsonScalar]:
        """Return the problem+json document."""
        return {
            "type": self.type_uri(),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


class Invalid(Problem):
    """The input is understood and wrong."""

    status, code, title = 422, "invalid", "Invalid input"


class Malformed(Problem):
    """The input cannot be read at all."""

    status, code, title = 400, "malformed", "Malformed request"


class TooLarge(Problem):
    """The input is over a published limit."""

    status, code, title = 413, "too-large", "Over the size limit"


class UnsupportedMedia(Problem):
    """The input's media type is not accepted here."""

    status, code, title = 415, "unsupported-media-type", "Media type not supported"


class NotAcceptable(Problem):
    """None of the media types the caller accepts can be made."""

    status, code, title = 406, "not-acceptable", "No acceptable representation"


class Unauthenticated(Problem):
    """The caller is not known."""

    status, code, title = 401, "unauthenticated", "Sign-in required"


class Forbidden(Problem):
    """The caller is known, belongs here and lacks the right."""

    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(Problem):
    """There is no such thing for this caller; strangers to an organisation get this too."""

    status, code, title = 404, "not-found", "Not found"


class Conflict(Problem):
    """The request contradicts what is stored."""

    status, code, title = 409, "conflict", "Conflict"


class Gone(Problem):
    """The thing was here and is not any more, e.g. an expired upload."""

    status, code, title = 410, "gone", "No longer available"


class PreconditionFailed(Problem):
    """If-Match or If-None-Match does not hold."""

    status, code, title = 412, "precondition-failed", "Precondition failed"


class TooMany(Problem):
    """Over a rate or count limit; ``retry_after`` says when to come again."""

    status, code, title, retry = 429, "too-many-requests", "Over the rate limit", True


class Busy(Problem):
    """A part needed for this answer is not available now."""

    status, code, title, retry = 503, "busy", "Temporarily unavailable", True


class OutOfSpace(Problem):
    """Storage is full."""

    status, code, title, retry = 507, "out-of-space", "Storage is full", True
