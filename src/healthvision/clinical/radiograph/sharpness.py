# SPDX-License-Identifier: Apache-2.0
"""How much fine detail the lungs of a film show, whatever their contrast."""

import numpy as np
from scipy import ndimage

from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.volume import Array

_FINE, _MIDDLE, _COARSE = 0.7, 1.4, 2.8  # pixels of the frame


def sharpness(pixels: Array, fields: LungFields) -> float:
    """Return the logarithm of fine over middle detail inside the lungs; lower is more blurred.

    ``pixels``: the frame (SIDE, SIDE). Two differences of Gaussians; their standard deviations.
    """
    fine, middle, coarse = (
        ndimage.gaussian_filter(pixels.astype(np.float64), sigma)
        for sigma in (_FINE, _MIDDLE, _COARSE)
    )
    lung = fields.both
    detail, base = (float((a - b)[lung].std()) for a, b in ((fine, middle), (middle, coarse)))
    return float(np.log((detail + 1e-6) / (base + 1e-6)))
