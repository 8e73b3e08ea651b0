# SPDX-License-Identifier: Apache-2.0
"""Published risk models of lung nodules, as tables of terms with their sources."""

from healthvision.clinical.risk.engine import (
    Estimate,
    LogisticModel,
    RiskInputError,
    Share,
    Term,
    estimate,
)
from healthvision.clinical.risk.nodules import (
    BROCK_FULL,
    BROCK_WITHOUT_SPICULATION,
    MAYO,
    MODELS,
    PKU,
    VETERANS,
)

__all__ = [
    "BROCK_FULL",
    "BROCK_WITHOUT_SPICULATION",
    "MAYO",
    "MODELS",
    "PKU",
    "VETERANS",
    "Estimate",
    "LogisticModel",
    "RiskInputError",
    "Share",
    "Term",
    "estimate",
]
