# SPDX-License-Identifier: Apache-2.0
"""Procedural phantoms with known truth; every one is repeated exactly by its seed."""

from healthvision.clinical.phantoms.chest import (
    ChestConfig,
    ChestPhantom,
    phantom,
)
from healthvision.clinical.phantoms.nodules import NoduleTruth

__all__ = ["ChestConfig", "ChestPhantom", "NoduleTruth", "phantom"]
