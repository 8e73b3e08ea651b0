# SPDX-License-Identifier: Apache-2.0
"""What object storage can fail with."""

from healthvision.kernel.errors import Busy, Conflict, Invalid, NotFound


class ObjectMissing(NotFound):
    """No object has that key."""

    code, title = "object-missing", "No such object"


class ObjectExists(Conflict):
    """An object has that key, and objects are never overwritten."""

    code, title = "object-exists", "Already uploaded"


class StoreUnavailable(Busy):
    """The store does not answer or refuses."""

    code, title = "store-unavailable", "Object storage is not available"


class BodyNotAsSigned(Invalid):
    """The bytes sent to a signed URL have another size, type or digest than was agreed."""

    code, title = "body-not-as-signed", "Upload differs from what was agreed"
