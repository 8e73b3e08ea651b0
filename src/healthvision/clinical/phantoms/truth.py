# SPDX-License-Identifier: Apache-2.0
"""The truth of a phantom as JSON: all its figures, without its arrays."""

import json
from dataclasses import fields, is_dataclass
from typing import TypeAlias

import numpy as np

from healthvision.clinical.phantoms.aorta import AortaPhantom
from healthvision.clinical.phantoms.chest import ChestPhantom
from healthvision.clinical.phantoms.head import FLUID, GREY, HYPER, TUMOUR, WHITE, HeadPhantom
from healthvision.clinical.phantoms.radiograph import RadiographPhantom
from healthvision.clinical.phantoms.spine import SpinePhantom
from healthvision.clinical.volume import Volume

Phantom = ChestPhantom | HeadPhantom | SpinePhantom | AortaPhantom | RadiographPhantom
Json: TypeAlias = "str | float | int | bool | list[Json] | dict[str, Json] | None"

_LONGEST = 400  # arrays up to this many numbers (a centreline) are figures, larger are pictures


def truth_json(phantom: Phantom) -> str:
    """Return seed, configuration and every true figure of a phantom as indented JSON."""
    told = _plain(phantom)
    if isinstance(phantom, HeadPhantom) and isinstance(told, dict):
        names = {"fluid": FLUID, "grey": GREY, "white": WHITE, "spots": HYPER, "tumour": TUMOUR}
        told["ml"] = {name: round(phantom.ml(label), 3) for name, label in names.items()}
        told["intracranial_ml"] = round(
            float(np.count_nonzero(phantom.intracranial)) * phantom.volume.voxel_ml, 3
        )
    return json.dumps(told, indent=1, sort_keys=True)


def _plain(value: object) -> Json:
    if isinstance(value, Volume):
        return {
            "shape": list(value.shape),
            "spacing": list(value.spacing),
            "origin": list(value.origin),
        }
    if is_dataclass(value) and not isinstance(value, type):
        found = {f.name: getattr(value, f.name) for f in fields(value)}
        return {k: _plain(v) for k, v in found.items() if not _picture(v)}
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6)
    return str(value)


def _picture(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.size > _LONGEST
