# SPDX-License-Identifier: Apache-2.0
"""Procedural phantoms with known truth; every one is repeated exactly by its seed."""

from healthvision.clinical.phantoms.chest import (
    ChestConfig,
    ChestPhantom,
    NoduleTruth,
    phantom,
)

__all__ = ["ChestConfig", "ChestPhantom", "NoduleTruth", "phantom"]
