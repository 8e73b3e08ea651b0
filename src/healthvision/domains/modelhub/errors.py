# SPDX-License-Identifier: Apache-2.0
"""What the model hub refuses, and why."""

from healthvision.kernel.errors import Conflict, Invalid, NotFound


class ApplicationNotFound(NotFound):
    """No application of that id (and version) is installed."""

    code, title = "application-not-found", "No such application"


class ApplicationDisabled(Conflict):
    """The organisation has switched the application off."""

    code, title = "application-disabled", "Application switched off"


class NoApplicationFits(Invalid):
    """No installed application accepts any series of the study."""

    code, title = "no-application-fits", "No application fits these images"


class ManifestInvalid(Invalid):
    """The manifest contradicts itself, e.g. shows an evidence level no record supports."""

    code, title = "manifest-invalid", "Application manifest not valid"


class EngineNotFound(NotFound):
    """No inference engine of this name is installed."""

    code, title = "engine-not-found", "No such inference engine"
