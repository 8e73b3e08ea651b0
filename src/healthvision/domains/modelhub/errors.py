# SPDX-License-Identifier: Apache-2.0
"""What the model hub refuses, and why."""

from healthvision.kernel.errors import Busy, Conflict, Invalid, NotFound


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


class DescriptionInvalid(Invalid):
    """The description of a model cannot be read or contradicts itself."""

    code, title = "model-description-invalid", "Model description not valid"


class BundleNotUnderstood(Invalid):
    """A MONAI bundle asks for something that is not understood; the detail names the key."""

    code, title = "bundle-not-understood", "Bundle not understood"


class ModelRefused(Invalid):
    """The model did not work in its dry run, or is not what its description says."""

    code, title = "model-refused", "Model refused"


class ModelExists(Conflict):
    """This id and version is taken by something else."""

    code, title = "model-exists", "Model version exists"


class ModelChanged(Conflict):
    """A file of an added model is not what it was when it was added; it does not run."""

    code, title = "model-changed", "Model files changed"


class PackageRefused(Invalid):
    """The package of a model cannot be taken as it came; ``reason`` is a stable word."""

    code, title = "model-package-refused", "Model package refused"


class AdditionNotFound(NotFound):
    """No such addition in this organisation."""

    code, title = "model-addition-not-found", "No such model addition"


class AdditionClosed(Conflict):
    """The package of this addition came already, or its time is over."""

    code, title = "model-addition-closed", "Model addition closed"


class AdditionsFull(Busy):
    """Too many additions of the organisation are open at once."""

    code, title = "model-additions-full", "Too many open model additions"


class EngineMissing(Conflict):
    """What runs this kind of network is not installed."""

    code, title = "engine-missing", "Engine not installed"


class EngineFailed(Invalid):
    """An inference server refused or gave no usable answer."""

    code, title = "engine-failed", "Inference server failed"


class EngineBusy(Busy):
    """An inference server could not be reached or was late; to be tried again."""

    code, title = "engine-busy", "Inference server busy"
