# SPDX-License-Identifier: Apache-2.0
"""Turning a film upright: head up, the patient's right on the left of the picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from healthvision.clinical.volume import Array

Kind = Literal["frontal", "lateral", "unknown"]


@dataclass(frozen=True, slots=True)
class Turn:
    """How stored pixels become upright: first ``swap`` rows and columns, then mirror.

    ``kind``: what the orientation says about the projection; 'unknown' when it is absent.
    """

    kind: Kind
    swap: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def upright(self, stored: Array) -> Array:
        """Return stored pixels (rows, columns) upright."""
        out = stored.T if self.swap else stored
        out = out[::-1] if self.upside_down else out
        return out[:, ::-1] if self.mirrored else out

    def back(self, upright: Array) -> Array:
        """Return upright pixels as they were stored."""
        out = upright[:, ::-1] if self.mirrored else upright
        out = out[::-1] if self.upside_down else out
        return np.ascontiguousarray(out.T if self.swap else out)


def turn_of(orientation: str) -> Turn:
    """Read Patient Orientation (0020,0020), e.g. 'L\\F': where rows and columns run to."""
    parts = [p.strip().upper()[:1] for p in orientation.split("\\")]
    if len(parts) != 2 or not all(parts):
        return Turn("unknown")
    along, down = parts
    if "A" in parts or "P" in parts:
        return Turn("lateral")
    swap = along in "HF"
    if swap:
        along, down = down, along
    if along not in "LR" or down not in "HF":
        return Turn("unknown")
    return Turn("frontal", swap, upside_down=down == "H", mirrored=along == "R")
