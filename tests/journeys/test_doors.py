# SPDX-License-Identifier: Apache-2.0
"""One phantom through three doors gives one answer; another seed gives another, with its truth."""

import math
from pathlib import Path
from typing import Any

import pytest

from healthvision.client.models import Result
from healthvision.clinical.phantoms.chest import ChestPhantom
from healthvision.formats.nifti.export import from_volume
from tests.journeys.chests import (
    analysed,
    chest,
    opened,
    slices,
    stored,
    uploaded,
    write_zip,
)
from tests.journeys.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
SEED, OTHER_SEED = 811, 812


def essence(result: Result) -> list[dict[str, Any]]:
    """Return all that was found, less the UIDs of this copy of the images."""
    names = {"tracking_uid", "series_uid", "sop_instance_uid"}

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without(v) for k, v in value.items() if k not in names}
        return [without(v) for v in value] if isinstance(value, list) else value

    found: list[dict[str, Any]] = without([f.model_dump(mode="json") for f in result.findings])
    return found


def hits(result: Result, truth: ChestPhantom) -> int:
    """Return how many nodules of a phantom a finding lies on (hit rule of LUNA16)."""
    places = [p for f in result.findings if (p := f.location.get("position_lps_mm")) is not None]
    return sum(
        any(math.dist(n.centre, place) <= n.mean_diameter_mm / 2 for place in places)
        for n in truth.nodules
    )


class TestThreeDoors:
    def test_the_same_phantom_gives_the_same_findings_through_every_door(
        self, world: World, tmp_path: Path
    ) -> None:
        truth = chest(SEED)
        packed = from_volume(truth.volume)
        nifti = tmp_path / "chest.nii.gz"
        nifti.write_bytes(packed)
        zipped = write_zip(tmp_path / "chest.zip", slices(packed, "DOOR-ZIP"))
        meta = {"patient_id": "DOOR-NII", "modality": "CT", "body_part": "CHEST"}
        with opened(world) as client:
            by_stow = analysed(world, client, stored(client, slices(packed, "DOOR-STOW")))
            by_zip = analysed(world, client, uploaded(client, zipped)[0])
            by_nifti = analysed(world, client, uploaded(client, nifti, meta)[0])
        assert hits(by_stow, truth) >= 2
        assert essence(by_stow) == essence(by_zip) == essence(by_nifti)
        assert by_stow.measurements == by_zip.measurements == by_nifti.measurements
        assert len({by_stow.study_uid, by_zip.study_uid, by_nifti.study_uid}) == 3

    def test_another_seed_gives_other_findings_that_lie_on_its_own_nodules(
        self, world: World
    ) -> None:
        first, second = chest(SEED), chest(OTHER_SEED)
        with opened(world) as client:
            sent = stored(client, slices(from_volume(second.volume), "DOOR-OTHER"))
            result = analysed(world, client, sent)
        assert hits(result, second) >= 2
        assert hits(result, first) < hits(result, second)
