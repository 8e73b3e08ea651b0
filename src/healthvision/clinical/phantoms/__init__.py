# SPDX-License-Identifier: Apache-2.0
"""Procedural phantoms with known truth; every one is repeated exactly by its seed.

``chest`` (CT), ``radiograph`` (X-ray projected from it), ``head`` (MRI), ``spine`` and ``aorta``
(CT); each module has a 64-cubed ``MINI`` (chest: ``SMALL``). ``truth`` writes the truth as JSON.
"""

from healthvision.clinical.phantoms.chest import (
    ChestConfig,
    ChestPhantom,
    phantom,
)
from healthvision.clinical.phantoms.nodules import NoduleTruth

__all__ = ["ChestConfig", "ChestPhantom", "NoduleTruth", "phantom"]
