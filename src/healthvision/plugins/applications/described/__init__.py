# SPDX-License-Identifier: Apache-2.0
"""One application for every model that comes with a description (``modelhub/description.py``)."""

from healthvision.domains.modelhub.ports import Application, Material
from healthvision.plugins.applications.described.application import Described


def make(material: Material) -> Application:
    """Return the application of a description; called inside the sandbox."""
    return Described(material)
