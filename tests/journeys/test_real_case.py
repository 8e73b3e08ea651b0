# SPDX-License-Identifier: Apache-2.0
"""The real case (Lung-PET-CT-Dx A0001, 5 mm slices): gate, lungs, and the annotated mass."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pydicom
import pytest

from healthvision.clinical.result import Finding, GateOutcome, Result
from healthvision.domains.analysis.command import analyze_files
from tests.support.services import shared

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Box:
    """A rectangle a radiologist drew (PASCAL VOC): pixels of one slice."""

    sop_uid: str
    x: tuple[float, float]
    y: tuple[float, float]


def boxes(folder: Path) -> list[Box]:
    """Read the annotations; each file is named by its SOP Instance UID."""
    found = []
    for path in sorted((folder / "annotations").glob("*.xml")):
        for box in ElementTree.parse(path).iter("bndbox"):
            x0, y0, x1, y1 = (float(box.findtext(n) or "nan") for n in
                              ("xmin", "ymin", "xmax", "ymax"))  # fmt: skip
            found.append(Box(path.stem, (x0, x1), (y0, y1)))
    return found


def pixel_of(folder: Path, finding: Finding) -> tuple[str, float, float, float]:
    """Return SOP UID, column, row and distance (mm) of the slice nearest to a finding."""
    place = finding.location.position_lps_mm
    assert place is not None
    found: list[tuple[float, str, float, float]] = []
    with zipfile.ZipFile(folder / "dicom.zip") as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                continue
            with archive.open(name) as file:
                ds = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            if str(ds.get("SeriesInstanceUID", "")) != finding.location.series_uid:
                continue
            x, y, z = (float(v) for v in ds.ImagePositionPatient)
            row_mm, column_mm = (float(v) for v in ds.PixelSpacing)
            assert [float(v) for v in ds.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
            column, row = (place[0] - x) / column_mm, (place[1] - y) / row_mm
            found.append((abs(place[2] - z), str(ds.SOPInstanceUID), column, row))
    gap, uid, column, row = min(found)
    return uid, column, row, gap


@pytest.fixture(scope="module")
def case() -> Path:
    """The folder of the case."""
    return shared("ct", "lung_pet_ct_dx_A0001")


@pytest.fixture(scope="module")
def result(case: Path) -> Result:
    """What lung-ct says of it."""
    return analyze_files([case / "dicom.zip"], "lung-ct")


class TestRealCase:
    def test_the_gate_names_five_millimetres_as_a_warning(self, result: Result) -> None:
        gate = next(g for g in result.gates if g.id == "slice-thickness")
        assert gate.outcome is GateOutcome.WARNING
        assert gate.value == pytest.approx(5.0)
        assert "5" in gate.reason.en
        assert "5" in gate.reason.zh

    def test_lungs_and_volumes_are_delivered(self, result: Result) -> None:
        assert result.abstained_reason is None
        volumes = {m.label.en: m.value for m in result.measurements if m.unit == "mL"}
        left, right = volumes["Volume of left lung"], volumes["Volume of right lung"]
        assert 700 < left < 4000
        assert 700 < right < 4000
        assert volumes["Volume of both lungs"] == pytest.approx(left + right, abs=2)
        assert any(o.kind == "SEG" for o in result.outputs)

    def test_the_annotated_mass_is_listed_with_the_warning_and_without_category(
        self, case: Path, result: Result
    ) -> None:
        marks = boxes(case)
        assert marks
        inside = [f for f in result.findings if self._inside(case, f, marks)]
        assert inside, [f.label.en for f in result.findings]
        mass = inside[0]
        sizes = [m.value for m in mass.measurements if m.unit == "mm"]
        assert max(sizes) > 10
        assert mass.categories == ()
        assert mass.confidence.value is None
        assert mass.confidence.reason_absent is not None
        assert "Warning" in result.summary.en

    def _inside(self, case: Path, finding: Finding, marks: list[Box]) -> bool:
        if finding.location.position_lps_mm is None:
            return False
        uid, column, row, gap = pixel_of(case, finding)
        boxes_here = [b for b in marks if b.sop_uid == uid]
        return gap < 5 and any(
            b.x[0] <= column <= b.x[1] and b.y[0] <= row <= b.y[1] for b in boxes_here
        )
