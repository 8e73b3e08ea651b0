# SPDX-License-Identifier: Apache-2.0
"""Guideline engines: facts about a nodule in, a category with a rule trace out. Pure.

Start with ``NoduleFacts``; then ``lung_rads_2022``, ``fleischner_2017``, ``bts_2015``,
``c_lung_rads``. Rules are data rows; the trace holds every row that was looked at.
"""

from healthvision.clinical.guidelines.bts import bts_2015
from healthvision.clinical.guidelines.c_lung_rads import c_lung_rads
from healthvision.clinical.guidelines.facts import Density, GuidelineInputError, NoduleFacts
from healthvision.clinical.guidelines.fleischner import fleischner_2017
from healthvision.clinical.guidelines.growth import growth, volume_doubling_time_days
from healthvision.clinical.guidelines.lung_rads import lung_rads_2022, lung_rads_2022_nodule

__all__ = [
    "Density",
    "GuidelineInputError",
    "NoduleFacts",
    "bts_2015",
    "c_lung_rads",
    "fleischner_2017",
    "growth",
    "lung_rads_2022",
    "lung_rads_2022_nodule",
    "volume_doubling_time_days",
]
