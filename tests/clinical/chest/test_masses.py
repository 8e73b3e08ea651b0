# SPDX-License-Identifier: Apache-2.0
"""Masses at eight places of the chest are found, and a chest without one has none."""

from dataclasses import replace
from math import dist

import pytest

from healthvision.clinical.chest.lungs import Lungs, find_lungs
from healthvision.clinical.chest.masses import Mass, find_masses
from healthvision.clinical.phantoms import ChestConfig, ChestPhantom, phantom
from healthvision.clinical.phantoms.nodules import MASS_PLACES, MassPlace

CHEST = ChestConfig(shape=(108, 184, 184), spacing=(2.4, 1.95, 1.95), nodules=0, vessel_density=0.7)
# Places that do not touch each other share a chest.
TOGETHER: tuple[tuple[MassPlace, ...], ...] = (
    ("lateral", "hilar-left", "apex", "diaphragm"),
    ("posterior", "hilar-right", "isolated", "paracardiac"),
)


def _chest(places: tuple[MassPlace, ...], seed: int, diameter: float) -> ChestPhantom:
    return phantom(seed, replace(CHEST, masses=tuple((p, diameter) for p in places)))


def _lungs(chest: ChestPhantom) -> Lungs:
    lungs = find_lungs(chest.volume)
    assert lungs is not None
    return lungs


@pytest.fixture(scope="module")
def searched() -> list[tuple[ChestPhantom, list[Mass]]]:
    """Two chests with four masses of 38 mm each, and what was found in them."""
    chests = [_chest(places, 31, 38.0) for places in TOGETHER]
    return [(c, find_masses(_lungs(c))) for c in chests]


class TestFindMasses:
    """``find_masses(lungs)``."""

    @pytest.mark.parametrize("place", MASS_PLACES)
    def test_a_mass_is_found_where_it_is(
        self, place: MassPlace, searched: list[tuple[ChestPhantom, list[Mass]]]
    ) -> None:
        chest, found = next(s for s in searched if place in {m.place for m in s[0].masses})
        truth = next(m for m in chest.masses if m.place == place)
        near = [m for m in found if dist(m.place, truth.centre) < truth.diameter_mm / 2]
        assert len(near) == 1
        # Where a mass is sunk into a wall only the part in the lung is seen.
        assert 0.55 * truth.diameter_mm < near[0].axes.mean_mm < 1.15 * truth.diameter_mm
        assert near[0].left is (truth.centre[0] > 0)
        if place.startswith("hilar"):
            assert near[0].central
        if place == "diaphragm":
            assert near[0].basal

    def test_nothing_else_is_called_a_mass(
        self, searched: list[tuple[ChestPhantom, list[Mass]]]
    ) -> None:
        for chest, found in searched:
            assert len(found) == len(chest.masses)

    @pytest.mark.parametrize("seed", [32, 33, 34])
    def test_a_chest_without_a_mass_has_none(self, seed: int) -> None:
        assert find_masses(_lungs(_chest((), seed, 0.0))) == []
