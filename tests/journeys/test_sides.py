# SPDX-License-Identifier: Apache-2.0
"""Left stays left: oblique and flipped NIfTI files, analysed as files and through the platform."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from healthvision.clinical.phantoms.chest import ChestPhantom, phantom
from healthvision.clinical.result import Laterality, Result
from healthvision.clinical.volume import FloatArray
from healthvision.domains.analysis.command import analyze_files
from tests.journeys.chests import LARGE_NODULES, analysed, opened, uploaded
from tests.journeys.world import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NIBABEL: Any = nibabel  # it has no types
SEED = 823
ONE = replace(LARGE_NODULES, wishes=(("solid", "isolated", 18.0),))


@pytest.fixture(scope="module")
def truth() -> ChestPhantom:
    """A chest with one nodule of 18 mm."""
    return phantom(SEED, ONE)


def turned(degrees: Sequence[float]) -> FloatArray:
    """Return the rotation by three angles around x, y and z."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, other = [a for a in range(3) if a != axis]
        step = np.eye(3)
        step[one, one] = step[other, other] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        out = step @ out
    return out


def nifti(
    truth: ChestPhantom, *, turn: FloatArray, flips: Sequence[int], order: Sequence[int]
) -> bytes:
    """Return the phantom stored in another order of axes, its patient turned in the scanner.

    Independent of our own exporter: nibabel's affine is RAS and indexes (x, y, z).
    """
    volume = truth.volume
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    rigid = np.eye(4)
    rigid[:3, :3] = turn
    image = NIBABEL.Nifti1Image(volume.voxels.transpose(2, 1, 0), _xyz(to_ras @ rigid, truth))
    changes = np.array([[order.index(a), -1 if a in flips else 1] for a in range(3)], float)
    return bytes(image.as_reoriented(changes).to_bytes())


def _xyz(outer: FloatArray, truth: ChestPhantom) -> FloatArray:
    """Return the affine of index (x, y, z): our own has (z, y, x)."""
    swapped = truth.volume.affine[:, [2, 1, 0, 3]]
    found: FloatArray = outer @ swapped
    return found


def ml(result: Result, side: str) -> float:
    """Return the volume of one lung."""
    wanted = f"{side} lung"
    return next(m.value for m in result.measurements if wanted in m.label.en.lower())


CASES = {
    "oblique": {"turn": turned((8, -6, 14)), "flips": (), "order": (0, 1, 2)},
    "flipped left to right": {"turn": np.eye(3), "flips": (0,), "order": (0, 1, 2)},
    "flipped head to feet": {"turn": np.eye(3), "flips": (2,), "order": (0, 1, 2)},
    "stored sagittally": {"turn": np.eye(3), "flips": (1,), "order": (1, 2, 0)},
    "oblique and flipped": {"turn": turned((-5, 9, -12)), "flips": (0, 1), "order": (0, 1, 2)},
}


class TestSides:
    @pytest.mark.parametrize("name", CASES)
    def test_lungs_and_nodule_keep_their_sides(
        self, truth: ChestPhantom, tmp_path: Path, name: str
    ) -> None:
        path = tmp_path / "chest.nii"
        path.write_bytes(nifti(truth, **CASES[name]))  # type: ignore[arg-type]
        result = analyze_files([path], "lung-ct")
        assert result.abstained_reason is None
        assert ml(result, "left") == pytest.approx(truth.left_ml, rel=0.04)
        assert ml(result, "right") == pytest.approx(truth.right_ml, rel=0.04)
        assert abs(truth.left_ml - truth.right_ml) > 0.1 * truth.right_ml  # or it proves nothing
        nodule = truth.nodules[0]
        where = CASES[name]["turn"] @ np.array(nodule.centre)
        found = [f for f in result.findings if f.location.position_lps_mm is not None]
        near = [
            f for f in found if np.linalg.norm(np.array(f.location.position_lps_mm) - where) < 6.0
        ]
        assert [f.location.laterality for f in near] == [Laterality(nodule.laterality)]

    def test_the_platform_keeps_them_too(
        self, truth: ChestPhantom, world: World, tmp_path: Path
    ) -> None:
        path = tmp_path / "oblique.nii"
        path.write_bytes(nifti(truth, **CASES["oblique and flipped"]))  # type: ignore[arg-type]
        meta = {"patient_id": "OBLIQUE", "modality": "CT", "body_part": "CHEST"}
        with opened(world) as client:
            result = analysed(world, client, uploaded(client, path, meta)[0])
        volumes = {m.label.en: m.value for m in result.measurements}
        left = next(v for k, v in volumes.items() if "left lung" in k.lower())
        assert left == pytest.approx(truth.left_ml, rel=0.04)
        sides = {f.location.get("laterality") for f in result.findings if f.categories}
        assert sides == {truth.nodules[0].laterality}


def test_the_files_here_are_what_their_names_say(truth: ChestPhantom) -> None:
    plain = NIBABEL.Nifti1Image.from_bytes(nifti(truth, turn=np.eye(3), flips=(), order=(0, 1, 2)))
    flipped = NIBABEL.Nifti1Image.from_stream(
        io.BytesIO(nifti(truth, turn=np.eye(3), flips=(0,), order=(0, 1, 2)))
    )
    assert NIBABEL.aff2axcodes(plain.affine) == ("L", "P", "S")
    assert NIBABEL.aff2axcodes(flipped.affine) == ("R", "P", "S")
