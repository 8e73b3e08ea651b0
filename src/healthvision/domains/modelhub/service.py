# SPDX-License-Identifier: Apache-2.0
"""The model hub as others use it: which applications there are and which fit what."""

from healthvision.domains.modelhub import additions
from healthvision.domains.modelhub.cards import card_html, card_markdown
from healthvision.domains.modelhub.catalogue import (
    at_version,
    change_model,
    fitting,
    get_model,
    installed,
    list_models,
    pick,
    registry_of,
    usable,
)
from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.engines import Engines
from healthvision.domains.modelhub.evidence import level_of_finding, supported_level
from healthvision.domains.modelhub.matching import SERIES_ATTRIBUTES, accepted, attributes_of
from healthvision.domains.modelhub.registry import (
    Broken,
    Installed,
    Registry,
    check_manifest,
    described,
    discover,
)
from healthvision.domains.modelhub.shelf import Shelf, Stored

__all__ = [
    "SERIES_ATTRIBUTES",
    "Broken",
    "Engines",
    "Installed",
    "ModelDescription",
    "Registry",
    "Shelf",
    "Stored",
    "accepted",
    "additions",
    "at_version",
    "attributes_of",
    "card_html",
    "card_markdown",
    "change_model",
    "check_manifest",
    "described",
    "discover",
    "fitting",
    "get_model",
    "installed",
    "level_of_finding",
    "list_models",
    "pick",
    "registry_of",
    "supported_level",
    "usable",
]
