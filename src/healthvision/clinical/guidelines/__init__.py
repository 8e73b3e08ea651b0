# SPDX-License-Identifier: Apache-2.0
"""Guideline engines: facts about a nodule in, a category with a rule trace out. Pure.

Start with ``NoduleFacts``; then ``lung_rads_2022``, ``fleischner_2017``, ``bts_2015``,
``c_lung_rads``; unverified ones are in ``drafts``. Grades of one number (``BandTable``): chest
scores in ``chest_scores``; bone, aorta and Evans index in ``bone_aorta_brain``. Rules are data
rows; the trace holds every row that was looked at.
"""

from healthvision.clinical.guidelines.bands import Band, BandTable
from healthvision.clinical.guidelines.bone_aorta_brain import (
    ABDOMINAL_AORTA,
    EVANS,
    OPPORTUNISTIC_L1,
    QCT_SPINE,
    aorta_at,
)
from healthvision.clinical.guidelines.bts import bts_2015
from healthvision.clinical.guidelines.c_lung_rads import c_lung_rads
from healthvision.clinical.guidelines.chest_scores import (
    EMPHYSEMA_ZONE,
    LAA950,
    cardiothoracic,
    severity_score,
)
from healthvision.clinical.guidelines.drafts import draft_guideline
from healthvision.clinical.guidelines.facts import Density, GuidelineInputError, NoduleFacts
from healthvision.clinical.guidelines.fleischner import fleischner_2017
from healthvision.clinical.guidelines.growth import growth, volume_doubling_time_days
from healthvision.clinical.guidelines.lung_rads import lung_rads_2022, lung_rads_2022_nodule

__all__ = [
    "ABDOMINAL_AORTA",
    "EMPHYSEMA_ZONE",
    "EVANS",
    "LAA950",
    "OPPORTUNISTIC_L1",
    "QCT_SPINE",
    "Band",
    "BandTable",
    "Density",
    "GuidelineInputError",
    "NoduleFacts",
    "aorta_at",
    "bts_2015",
    "c_lung_rads",
    "cardiothoracic",
    "draft_guideline",
    "fleischner_2017",
    "growth",
    "lung_rads_2022",
    "lung_rads_2022_nodule",
    "severity_score",
    "volume_doubling_time_days",
]
