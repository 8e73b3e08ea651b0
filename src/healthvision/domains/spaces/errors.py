# SPDX-License-Identifier: Apache-2.0
"""What the spaces room refuses."""

from healthvision.kernel.errors import Conflict, NotFound


class SpaceNotFound(NotFound):
    """No such space for this caller."""

    code, title = "space-not-found", "No such space"


class SpaceExists(Conflict):
    """The organisation has a space with this slug."""

    code, title = "space-exists", "Space already exists"


class SpaceInUse(Conflict):
    """The default space, or one that is still needed, cannot be removed."""

    code, title = "space-in-use", "Space cannot be removed"
