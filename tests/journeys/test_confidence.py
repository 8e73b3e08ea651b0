# SPDX-License-Identifier: Apache-2.0
"""Confidence means something, and every category can be recomputed by hand from its inputs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest

from healthvision.clinical.phantoms.chest import SMALL, ChestPhantom, phantom
from healthvision.clinical.result import Category, Finding, RuleStep
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import BoolArray, Volume
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.plugins.applications.lung_ct import APPLICATION

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
CT = "1.2.840.10008.5.1.4.1.1.2"
MIXED = replace(
    SMALL,
    wishes=(
        ("solid", "isolated", 6.0),
        ("solid", "vessel", 12.0),
        ("solid", "pleural", 17.0),
        ("part-solid", "isolated", 16.0),
        ("ground-glass", "isolated", 14.0),
        ("calcified", "isolated", 9.0),
    ),
)
NOISE_SD = {861: 12.0, 862: 30.0, 863: 50.0}
FILL_HU = -860


def analyse(volume: Volume) -> ApplicationOutput:
    """Run the application on a volume, in this process."""
    header = SeriesHeader("1.2.3", "1.2.3.1", "CT", CT, instance_count=volume.shape[0])
    slices = tuple(SliceRef(CT, f"1.2.3.1.{i}") for i in range(volume.shape[0]))
    image = SeriesImage(header, volume, slices)
    return APPLICATION.run(StudyInput([header], lambda _: image), Context(0, _quiet))


def _quiet(_share: float, _stage: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Case:
    """A phantom and what was found in it."""

    truth: ChestPhantom
    output: ApplicationOutput

    @property
    def nodules(self) -> list[Finding]:
        """The findings with a probability."""
        return [f for f in self.output.findings if f.confidence.value is not None]

    def marked(self, finding: Finding) -> BoolArray:
        """Return where the finding's segment lies."""
        overlay, labels = finding.explanation.overlay, self.output.segmentation
        assert overlay is not None
        assert labels is not None
        mask: BoolArray = labels.labels.voxels == overlay.segment
        return mask


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Chests with six nodules each, analysed once."""
    truths = [phantom(s, replace(MIXED, noise_sd=sd)) for s, sd in NOISE_SD.items()]
    return [Case(t, analyse(t.volume)) for t in truths]


def at_place(output: ApplicationOutput, finding: Finding) -> float:
    """Return the confidence of what is still found where the finding was; 0 for nothing."""
    place = finding.location.position_lps_mm
    assert place is not None
    near = [
        f.confidence.value
        for f in output.findings
        if f.confidence.value is not None
        and f.location.position_lps_mm is not None
        and math.dist(f.location.position_lps_mm, place) < 6.0
    ]
    return max(near, default=0.0)


def erased(volume: Volume, mask: BoolArray, rng: np.random.Generator) -> Volume:
    """Return the volume with quiet lung where the mask is."""
    voxels = volume.voxels.copy()
    voxels[mask] = FILL_HU + rng.normal(0, 15, int(mask.sum()))
    return volume.like(voxels)


def elsewhere(case: Case, mask: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Return the same region moved to a random place of the lungs where nothing is marked."""
    labels = case.output.segmentation
    assert labels is not None
    lung = np.argwhere((labels.labels.voxels == 1) | (labels.labels.voxels == 2))
    own = np.argwhere(mask)
    centre = own.mean(axis=0).round().astype(int)
    for _ in range(200):
        moved = own + (lung[rng.integers(len(lung))] - centre)
        if (moved < 0).any() or (moved >= mask.shape).any():
            continue
        found: BoolArray = np.zeros_like(mask)
        found[tuple(moved.T)] = True
        if not (labels.labels.voxels[found] > 2).any():
            return found
    raise AssertionError("no room for another region")


class TestConfidence:
    def test_it_varies_from_case_to_case(self, cases: list[Case]) -> None:
        values = [f.confidence.value or 0.0 for case in cases for f in case.nodules]
        assert len(values) >= 9
        assert len(set(values)) >= 0.5 * len(values), values
        assert max(values) - min(values) > 0.05, values
        assert max(values) < 0.995  # no more than the calibration can show
        intervals = [f.confidence.interval for case in cases for f in case.nodules]
        assert all(i is not None and i.low < i.high for i in intervals)

    def test_it_falls_with_noise(self, cases: list[Case]) -> None:
        rng = np.random.default_rng(5)
        means = []
        for sd in (0, 60, 120):
            values = []
            for case in cases:
                volume = case.truth.volume
                noise = rng.normal(0, sd, volume.shape) if sd else 0
                noisy = np.clip(volume.voxels + noise, -1024, 3071).astype(np.int16)
                output = analyse(volume.like(noisy)) if sd else case.output
                values += [at_place(output, f) for f in case.nodules]
            means.append(float(np.mean(values)))
        assert means[0] > means[1] > means[2], means

    def test_erasing_the_marked_region_lowers_it_more_than_erasing_another(
        self, cases: list[Case]
    ) -> None:
        rng = np.random.default_rng(6)
        better, tried = 0, 0
        for case in cases:
            for finding in case.nodules[:4]:
                before = finding.confidence.value or 0.0
                mask = case.marked(finding)
                assert mask.any()
                other = elsewhere(case, mask, rng)
                volume = case.truth.volume
                own = before - at_place(analyse(erased(volume, mask, rng)), finding)
                random = before - at_place(analyse(erased(volume, other, rng)), finding)
                tried += 1
                better += own > random
        assert tried >= 10
        assert better >= 0.9 * tried, f"{better} of {tried}"


def tenth(value: float) -> float:
    """Round half up to a tenth."""
    return float(Decimal(str(value)).quantize(Decimal("0.1"), ROUND_HALF_UP))


def whole(value: float) -> int:
    """Round half up to a whole number."""
    return int(Decimal(str(value)).quantize(Decimal(1), ROUND_HALF_UP))


def lung_rads_by_hand(density: str, mean_mm: float, core_mm: float) -> str:
    """Lung-RADS v2022 of a baseline nodule, written from the printed table, without our rules."""
    if density in ("calcified", "fat"):
        return "1"
    if density == "ground-glass":
        return "2" if mean_mm < 30 else "3"
    if density == "solid":
        if mean_mm < 6:
            return "2"
        if mean_mm < 8:
            return "3"
        return "4A" if mean_mm < 15 else "4B"
    if mean_mm < 6:
        return "2"
    if core_mm < 6:
        return "3"
    return "4A" if core_mm < 8 else "4B"


def fleischner_by_hand(density: str, mean_mm: int, core_mm: int, multiple: bool) -> str:
    """Fleischner 2017 when the risk is not known, from the printed table, without our rules."""
    if density in ("calcified", "fat"):
        return "benign"
    if density == "solid":
        if multiple:
            return "solid-multiple-under6" if mean_mm < 6 else "solid-multiple-6plus"
        size = "under6" if mean_mm < 6 else "6to8" if mean_mm <= 8 else "over8"
        return f"solid-single-{size}"
    if multiple:
        return "subsolid-multiple-under6" if mean_mm < 6 else "subsolid-multiple-6plus"
    if density == "ground-glass":
        return "ggn-single-under6" if mean_mm < 6 else "ggn-single-6plus"
    if mean_mm < 6:
        return "part-solid-single-under6"
    return f"part-solid-single-6plus-core-{'under6' if core_mm < 6 else '6plus'}"


def measured(finding: Finding, value: str) -> float | None:
    """Return a measurement by the start of its English name."""
    found = [m.value for m in finding.measurements if value in m.label.en.lower()]
    return found[0] if found else None


def inputs_of(category: Category) -> dict[str, str | float | int | bool | None]:
    """Return all inputs of a trace; the same fact has the same value in every row."""
    out: dict[str, str | float | int | bool | None] = {}
    for step in category.trace:
        for name, value in step.inputs.items():
            if name not in ("category", "risk"):
                assert out.setdefault(name, value) == value
    return out


def matched(category: Category) -> list[RuleStep]:
    """Return the rows that decided."""
    return [step for step in category.trace if step.matched]


class TestRuleTrace:
    def test_every_category_recomputed_by_hand_is_the_same(self, cases: list[Case]) -> None:
        seen: dict[str, int] = {}
        for case in cases:
            multiple = len([f for f in case.output.findings if f.explanation.overlay]) > 1
            for finding in case.nodules:
                self._check(finding, multiple=multiple)
                for category in finding.categories:
                    seen[category.value] = seen.get(category.value, 0) + 1
        assert len(seen) >= 4, seen

    def _check(self, finding: Finding, *, multiple: bool) -> None:
        by_name: Mapping[str, Category] = {c.guideline: c for c in finding.categories}
        assert set(by_name) == {"lung-rads-v2022", "fleischner-2017"}
        density = finding.attributes[0][1].value
        mean = measured(finding, "mean diameter")
        assert mean is not None
        core = measured(finding, "solid") or 0.0
        rads, incidental = by_name["lung-rads-v2022"], by_name["fleischner-2017"]
        given = inputs_of(rads)
        assert given["density"] == density
        assert given.get("mean_diameter_mm", tenth(mean)) == tenth(mean)
        assert rads.value == lung_rads_by_hand(density, tenth(mean), tenth(core))
        assert [s.rule for s in matched(rads)], "no row decided"
        assert incidental.value == fleischner_by_hand(density, whole(mean), whole(core), multiple)
        assert matched(incidental)
