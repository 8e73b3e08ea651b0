# SPDX-License-Identifier: Apache-2.0
"""The model hub as others use it: which applications there are and which fit what."""

from healthvision.domains.modelhub.matching import SERIES_ATTRIBUTES, accepted, attributes_of
from healthvision.domains.modelhub.registry import (
    Broken,
    Installed,
    Registry,
    check_manifest,
    discover,
    supported_level,
)

__all__ = [
    "SERIES_ATTRIBUTES",
    "Broken",
    "Installed",
    "Registry",
    "accepted",
    "attributes_of",
    "check_manifest",
    "discover",
    "supported_level",
]
