# SPDX-License-Identifier: Apache-2.0
"""What the spaces room refuses."""

from healthvision.kernel.errors import Conflict, Forbidden, NotFound


class SpaceNotFound(NotFound):
    """No such space for this caller."""

    code, title = "space-not-found", "No such space"


class SpaceExists(Conflict):
    """The organisation has a space with this slug."""

    code, title = "space-exists", "Space already exists"


class SpaceInUse(Conflict):
    """The default space, or one that is still needed, cannot be removed."""

    code, title = "space-in-use", "Space cannot be removed"


class AeNotFound(NotFound):
    """No such application entity title for this caller."""

    code, title = "ae-not-found", "No such AE title"


class AeExists(Conflict):
    """The title is taken: called titles in the installation, remote ones in the organisation."""

    code, title = "ae-exists", "AE title already exists"


class CallerRefused(Forbidden):
    """The calling application entity is not known here, or calls from elsewhere."""

    code, title = "ae-caller-refused", "Calling AE title not allowed"
