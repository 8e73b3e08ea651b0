# SPDX-License-Identifier: Apache-2.0
"""What the archive refuses, and why."""

from healthvision.kernel.errors import (
    Busy,
    Conflict,
    Gone,
    Invalid,
    NotAcceptable,
    NotFound,
    TooLarge,
)


class StudyNotFound(NotFound):
    """No such study (series, instance) for this caller in this space."""

    code, title = "study-not-found", "No such study"


class CorrectionNotFound(NotFound):
    """No such correction for this caller."""

    code, title = "correction-not-found", "No such correction"


class NothingToCorrect(Conflict):
    """The things are as the correction wants them already."""

    code, title = "nothing-to-correct", "Nothing to correct"


class CorrectionUndone(Conflict):
    """The correction was taken back before."""

    code, title = "correction-undone", "Correction already taken back"


class CorrectionBlocked(Conflict):
    """The correction cannot be made or taken back as things are now; ``detail`` says why."""

    code, title = "correction-blocked", "Correction not possible now"


class NotCorrectable(NotAcceptable):
    """Corrected attributes cannot be put into this object; its original can be given out."""

    code, title = "not-correctable", "Object cannot be given corrected"


class UploadNotFound(NotFound):
    """No such upload for this caller."""

    code, title = "upload-not-found", "No such upload"


class QuarantineNotFound(NotFound):
    """No such object in quarantine for this caller."""

    code, title = "quarantine-not-found", "No such quarantined object"


class BadQuery(Invalid):
    """A search value is not in the syntax of its attribute (PS3.4 C.2.2.2)."""

    code, title = "bad-query", "Search value not valid"


class FileTooLarge(TooLarge):
    """One file is above the published limit of its kind."""

    code, title = "file-too-large", "File over the size limit"


class UploadIncomplete(Conflict):
    """Parts of the upload are still missing; ``missing`` names the first of them."""

    code, title = "upload-incomplete", "Upload not complete"


class UploadClosed(Conflict):
    """The upload is past the step that was asked for."""

    code, title = "upload-closed", "Upload already complete"


class UploadExpired(Gone):
    """The upload's time is over; begin a new one."""

    code, title = "upload-expired", "Upload expired"


class DigestMismatch(Invalid):
    """The received bytes do not have the SHA-256 that was promised."""

    code, title = "digest-mismatch", "SHA-256 does not match"


class UnsafeArchive(Invalid):
    """A zip that expands too far or hides its paths; nothing of it was stored."""

    code, title = "unsafe-archive", "Zip refused"


class NotAnImage(Invalid):
    """The file is of no kind the archive takes in."""

    code, title = "not-an-image", "File kind not accepted"


class UnderLegalHold(Conflict):
    """The study is kept by a legal hold or its retention time."""

    code, title = "under-legal-hold", "Study must be kept"


class ResolvedAlready(Conflict):
    """The quarantined object was released or deleted before."""

    code, title = "quarantine-resolved", "Quarantined object already resolved"


class NotExportable(Invalid):
    """The study holds nothing that the wanted format can carry."""

    code, title = "not-exportable", "Nothing to export in this format"


class StorageDamaged(Busy):
    """Stored bytes fail their check and are not handed out; an alarm is raised."""

    code, title, retry = "storage-damaged", "Stored bytes are damaged", False


class PackFailed(Busy):
    """A series object could not be made; the bytes stay where they were, and it is tried again."""

    code, title, retry = "series-not-sealed", "Series could not be sealed", True
