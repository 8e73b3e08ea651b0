# SPDX-License-Identifier: Apache-2.0
"""Figures of lungs, nodules and emphysema on held-out phantoms, with bootstrap intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import dist

import numpy as np

from healthvision.clinical.chest.candidates import workspace
from healthvision.clinical.chest.emphysema import measure_emphysema
from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.intervals import ERRORS
from healthvision.clinical.chest.lungs import find_lungs
from healthvision.clinical.chest.masses import find_masses
from healthvision.clinical.chest.nodules import Nodule, find_nodules
from healthvision.clinical.chest.training import hard_config, training_config
from healthvision.clinical.phantoms.chest import ChestConfig, ChestPhantom, phantom
from healthvision.clinical.phantoms.nodules import MassPlace, NoduleTruth

FALSE_POSITIVES_PER_SCAN = 2.0
MASS_CHEST = ChestConfig(
    shape=(108, 184, 184), spacing=(2.4, 1.95, 1.95), nodules=0, vessel_density=0.7
)
# Places that do not touch each other share a chest.
MASS_GROUPS: tuple[tuple[MassPlace, ...], ...] = (
    ("lateral", "hilar-left", "apex", "diaphragm"),
    ("posterior", "hilar-right", "isolated", "paracardiac"),
)


Wanted = tuple[str, int, Callable[[Sequence["ScanFigures"]], float]]


@dataclass(frozen=True, slots=True)
class Covered:
    """Whether the true diameter and volume of a nodule lie in the intervals told of it."""

    diameter: bool
    volume: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One nodule of one scan or one false mark: ``diameter`` is None for a false mark."""

    diameter: float | None
    error_mm: float | None
    confidence: float  # 0 for a nodule that was not found
    covered: Covered | None = None


@dataclass(frozen=True, slots=True)
class ScanFigures:
    """Figures of one phantom; ``volume_error`` is a share of the truth, ``laa_error`` in points."""

    dice: float
    volume_error: float
    laa_error: float
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured claim with its 95 % bootstrap interval over scans."""

    metric: str
    value: float
    low: float
    high: float
    n: int


def held_out(seed: int) -> ChestPhantom:
    """Return the phantom of an evaluation seed: like training, slices of 2.5 mm at most."""
    config = training_config(seed)
    if config.spacing[0] > 2.5:
        config = replace(config, shape=(160, 288, 288), spacing=(1.25, 1.25, 1.25))
    return phantom(seed, replace(config, noise_sd=min(config.noise_sd, 40.0)))


def hard_held_out(seed: int) -> ChestPhantom:
    """Return a phantom of small, faint and attached nodules, like those of the calibration."""
    return phantom(seed, hard_config(seed))


def examine(subject: ChestPhantom, forest: Forest) -> ScanFigures:
    """Run the pipeline on one phantom and compare with its truth (hit rule of LUNA16)."""
    lungs = find_lungs(subject.volume)
    if lungs is None:
        none = tuple(Call(n.mean_diameter_mm, None, 0.0) for n in subject.nodules)
        return ScanFigures(0.0, 1.0, 100.0, none)
    mask = lungs.labels > 0
    both = np.count_nonzero(mask & subject.lungs)
    dice = float(2 * both / (np.count_nonzero(mask) + np.count_nonzero(subject.lungs)))
    emphysema = measure_emphysema(subject.volume, lungs)
    space = workspace(subject.volume, lungs, emphysema.noise_sd)
    nodules = find_nodules(space, forest, seed=0)
    matches = matched(nodules, subject.nodules)
    calls = [_call(n, truth) for n, truth in zip(nodules, matches, strict=True)]
    missed = [t for t in subject.nodules if not any(t is m for m in matches)]
    calls += [Call(t.mean_diameter_mm, None, 0.0) for t in missed]
    return ScanFigures(
        dice,
        abs(lungs.total_ml - subject.lung_ml) / subject.lung_ml,
        abs(emphysema.laa950 - subject.emphysema_percent),
        tuple(calls),
    )


def matched(
    nodules: Sequence[Nodule], truths: Sequence[NoduleTruth]
) -> tuple[NoduleTruth | None, ...]:
    """Return what each nodule truly is, None for a false mark; a truth is found once.

    Hit rule of LUNA16: the centre lies within the radius (2 mm at least).
    """
    left, out = list(truths), list[NoduleTruth | None]()
    for nodule in nodules:
        gaps = [dist(t.centre, nodule.place) for t in left]
        at = min(range(len(left)), key=lambda i: gaps[i], default=None)
        if at is None or gaps[at] > max(2.0, left[at].mean_diameter_mm / 2):
            out.append(None)
        else:
            out.append(left.pop(at))
    return tuple(out)


def _call(nodule: Nodule, truth: NoduleTruth | None) -> Call:
    if truth is None:
        return Call(None, None, nodule.confidence)
    true = truth.mean_diameter_mm
    error = nodule.sizes.axes.mean_mm - true
    return Call(true, error, nodule.confidence, _covered(nodule, truth))


def _covered(nodule: Nodule, truth: NoduleTruth) -> Covered:
    known = ERRORS[nodule.difficulty]
    low, high = known.diameter.around(nodule.sizes.axes.mean_mm)
    least, most = known.volume.around(nodule.sizes.volume_mm3)
    return Covered(low <= truth.mean_diameter_mm <= high, least <= truth.volume_mm3 <= most)


def coverage(scans: Sequence[ScanFigures]) -> float:
    """Return the share of nodules found whose true diameter lies in its interval."""
    found = [c.covered.diameter for s in scans for c in s.calls if c.covered is not None]
    return sum(found) / max(len(found), 1)


def volume_coverage(scans: Sequence[ScanFigures]) -> float:
    """Return the share of nodules found whose true volume lies in its interval."""
    found = [c.covered.volume for s in scans for c in s.calls if c.covered is not None]
    return sum(found) / max(len(found), 1)


def summarise_sizes(scans: Sequence[ScanFigures]) -> tuple[Figure, ...]:
    """Return how many true sizes lie in their 95 % intervals, over easy and hard phantoms."""
    found = sum(c.covered is not None for s in scans for c in s.calls)
    return _figures(
        scans,
        [
            ("diameter-interval-coverage", found, coverage),
            ("volume-interval-coverage", found, volume_coverage),
        ],
    )


def sensitivity(scans: Sequence[ScanFigures], least_mm: float) -> float:
    """Return the share of nodules >= ``least_mm`` found at two false positives per scan."""
    calls = [c for s in scans for c in s.calls]
    false = sorted((c.confidence for c in calls if c.diameter is None), reverse=True)
    allowed = int(FALSE_POSITIVES_PER_SCAN * len(scans))
    limit = false[allowed] if len(false) > allowed else 0.0
    wanted = [c for c in calls if c.diameter is not None and c.diameter >= least_mm]
    return sum(c.confidence > limit for c in wanted) / max(len(wanted), 1)


def false_positives(scans: Sequence[ScanFigures]) -> float:
    """Return false marks per scan at the operating point."""
    return sum(c.diameter is None for s in scans for c in s.calls) / max(len(scans), 1)


def diameter_error(scans: Sequence[ScanFigures]) -> float:
    """Return the median absolute error of the mean diameter in mm over nodules found."""
    errors = [abs(c.error_mm) for s in scans for c in s.calls if c.error_mm is not None]
    return float(np.median(errors)) if errors else 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Listed marks of one range of confidence: how many, their mean, and the share that is true."""

    low: float
    high: float
    n: int
    confidence: float
    true: float


def reliability(scans: Sequence[ScanFigures]) -> tuple[Bin, ...]:
    """Return the marks listed, in bins of confidence 0.6-0.7-0.8-0.9-0.95-1."""
    calls = [c for s in scans for c in s.calls if c.confidence > 0]
    out = []
    for low, high in pairwise((0.0, 0.7, 0.8, 0.9, 0.95, 1.0)):
        held = [c for c in calls if low <= c.confidence < high]
        if held:
            sure = float(np.mean([c.confidence for c in held]))
            true = float(np.mean([c.diameter is not None for c in held]))
            out.append(Bin(low, high, len(held), sure, true))
    return tuple(out)


def calibration_error(scans: Sequence[ScanFigures]) -> float:
    """Return the expected calibration error of the marks listed (0..1)."""
    bins = reliability(scans)
    count = sum(b.n for b in bins)
    return sum(b.n * abs(b.confidence - b.true) for b in bins) / max(count, 1)


def brier(scans: Sequence[ScanFigures]) -> float:
    """Return the mean squared error of the confidences of the marks listed."""
    calls = [c for s in scans for c in s.calls if c.confidence > 0]
    errors = [(c.confidence - (c.diameter is not None)) ** 2 for c in calls]
    return float(np.mean(errors)) if errors else 0.0


def summarise_hard(scans: Sequence[ScanFigures]) -> tuple[Figure, ...]:
    """Return sensitivity and calibration on hard phantoms, with intervals."""
    count = sum(c.diameter is not None for s in scans for c in s.calls)
    marks = sum(c.confidence > 0 for s in scans for c in s.calls)
    return _figures(
        scans,
        [
            ("hard-sensitivity-4mm-2fp", count, lambda s: sensitivity(s, 4.0)),
            ("hard-false-positives-per-scan", len(scans), false_positives),
            ("hard-confidence-ece", marks, calibration_error),
            ("hard-confidence-brier", marks, brier),
        ],
    )


def with_masses(seed: int) -> ChestPhantom:
    """Return a phantom with four masses of 32 to 60 mm at places that do not touch."""
    diameters = np.random.default_rng(seed).uniform(32.0, 60.0, 4)
    places = MASS_GROUPS[seed % len(MASS_GROUPS)]
    masses = tuple((place, float(d)) for place, d in zip(places, diameters, strict=True))
    return phantom(seed, replace(MASS_CHEST, masses=masses))


def examine_masses(subject: ChestPhantom) -> tuple[Call, ...]:
    """Search for masses and compare with the truth; a hit lies within half a diameter."""
    lungs = find_lungs(subject.volume)
    found = [] if lungs is None else find_masses(lungs)
    calls = []
    for truth in subject.masses:
        near = [m for m in found if dist(m.place, truth.centre) < truth.diameter_mm / 2]
        error = near[0].axes.mean_mm - truth.diameter_mm if near else None
        calls.append(Call(truth.diameter_mm, error, 1.0 if near else 0.0))
        found = [m for m in found if m not in near]
    return (*calls, *(Call(None, None, 1.0) for _ in found))


def summarise_masses(scans: Sequence[tuple[Call, ...]]) -> tuple[Figure, ...]:
    """Return how many masses are found, false ones per scan and the error of their size."""
    whole = [ScanFigures(0.0, 0.0, 0.0, calls) for calls in scans]
    count = sum(c.diameter is not None for calls in scans for c in calls)

    def found(some: Sequence[ScanFigures]) -> float:
        calls = [c for s in some for c in s.calls if c.diameter is not None]
        return sum(c.confidence > 0 for c in calls) / max(len(calls), 1)

    return _figures(
        whole,
        [
            ("mass-sensitivity", count, found),
            ("mass-false-positives-per-scan", len(scans), false_positives),
            ("mass-diameter-error-mm", count, diameter_error),
        ],
    )


def summarise(scans: Sequence[ScanFigures]) -> tuple[Figure, ...]:
    """Return all figures with intervals from 500 resamplings of the scans."""
    count = sum(c.diameter is not None for s in scans for c in s.calls)
    large = sum(c.diameter is not None and c.diameter >= 6 for s in scans for c in s.calls)
    huge = sum(c.diameter is not None and c.diameter >= 10 for s in scans for c in s.calls)
    wanted: list[Wanted] = [
        ("lung-dice", len(scans), lambda s: float(np.mean([x.dice for x in s]))),
        ("lung-volume-error", len(scans), lambda s: float(np.median([x.volume_error for x in s]))),
        ("laa950-error-points", len(scans), lambda s: float(np.mean([x.laa_error for x in s]))),
        ("sensitivity-4mm-2fp", count, lambda s: sensitivity(s, 4.0)),
        ("sensitivity-6mm-2fp", large, lambda s: sensitivity(s, 6.0)),
        ("sensitivity-10mm-2fp", huge, lambda s: sensitivity(s, 10.0)),
        ("false-positives-per-scan", len(scans), false_positives),
        ("diameter-error-mm", count, diameter_error),
    ]
    return _figures(scans, wanted)


def _figures(scans: Sequence[ScanFigures], wanted: Sequence[Wanted]) -> tuple[Figure, ...]:
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(scans), size=(500, len(scans)))
    out = []
    for name, n, measure in wanted:
        values = [measure([scans[i] for i in pick]) for pick in picks]
        low, high = np.percentile(values, [2.5, 97.5])
        out.append(Figure(name, measure(scans), float(low), float(high), n))
    return tuple(out)
