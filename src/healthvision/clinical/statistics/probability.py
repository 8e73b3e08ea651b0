# SPDX-License-Identifier: Apache-2.0
"""From a network's logit to an honest probability: calibration, conformal sets, their measures."""

from dataclasses import dataclass

import numpy as np

from healthvision.clinical.volume import Array, BoolArray, FloatArray

_STEPS = 50


@dataclass(frozen=True, slots=True)
class Platt:
    """Probability = 1 / (1 + exp(-(slope * logit + intercept))) (Platt 1999)."""

    slope: float
    intercept: float

    def __call__(self, logit: Array) -> FloatArray:
        """Return probabilities of logits (n,)."""
        z = np.clip(self.slope * np.asarray(logit, np.float64) + self.intercept, -50, 50)
        out: FloatArray = 1 / (1 + np.exp(-z))
        return out


def fit_platt(logits: FloatArray, truth: BoolArray) -> Platt:
    """Fit by Newton's method to targets drawn in by one case each (Platt 1999).

    Raises ValueError unless both outcomes occur.
    """
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        raise ValueError("platt: both outcomes are needed")
    target = np.where(truth, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.stack([logits.astype(np.float64), np.ones(len(logits))], axis=1)
    weight = np.array([0.0, np.log((yes + 1) / (no + 1))])
    for _ in range(_STEPS):
        p = Platt(*weight)(logits)
        curve = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, x.T @ (p - target))
        while _loss(weight - step, x, target) > _loss(weight, x, target) and abs(step).max() > 1e-9:
            step = step / 2  # Newton's step may go too far
        weight = weight - step
    return Platt(float(weight[0]), float(weight[1]))


def _loss(weight: FloatArray, x: FloatArray, target: FloatArray) -> float:
    z = x @ weight
    return float((np.logaddexp(0, z) - target * z).sum())


@dataclass(frozen=True, slots=True)
class Sets:
    """Conformal sets of two outcomes, each with its own limit (Vovk 2012, class-conditional).

    'yes' belongs to the set where the probability is at least ``yes``, 'no' where one minus it is
    at least ``no``. ``coverage``: the share of each outcome whose set holds it.
    """

    yes: float
    no: float
    coverage: float

    def holds(self, probability: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Return whether 'yes' and whether 'no' belong to the set of each probability."""
        return probability >= self.yes, 1 - probability >= self.no


def fit_sets(probability: FloatArray, truth: BoolArray, *, coverage: float = 0.9) -> Sets:
    """Return the sets from probabilities that were not fitted on these cases.

    Raises ValueError where an outcome has too few cases for the coverage.
    """
    limits = []
    for own in (probability[truth], 1 - probability[~truth]):
        rank = int(np.floor((1 - coverage) * (len(own) + 1)))
        if rank < 1:
            raise ValueError("conformal sets: too few cases")
        limits.append(float(np.sort(own)[rank - 1]))
    return Sets(limits[0], limits[1], coverage)


def calibration_error(probability: FloatArray, truth: BoolArray, *, bins: int = 10) -> float:
    """Return the expected calibration error over equally wide bins (Naeini 2015)."""
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = [
        abs(float((probability[inside] - truth[inside]).sum()))
        for inside in (place == k for k in range(bins))
    ]
    return sum(gaps) / len(truth)


def brier_skill(probability: FloatArray, truth: BoolArray) -> float:
    """Return 1 - Brier score over that of always saying the share of 'yes' (> 0 is better)."""
    base = float(truth.mean())
    return 1 - float(((probability - truth) ** 2).mean()) / (base * (1 - base))


def at_share(probability: float, learned: float, other: float) -> float:
    """Return what a probability becomes where ``other`` instead of ``learned`` are 'yes'.

    Bayes' rule: what the picture says is kept, the share before looking is exchanged.
    """
    if probability in (0.0, 1.0):
        return probability
    odds = probability / (1 - probability) * (1 - learned) / learned * other / (1 - other)
    return odds / (1 + odds)


def area(logits: FloatArray, truth: BoolArray) -> float:
    """Return the area under the ROC: how often a 'yes' lies above a 'no', ties count half."""
    order = np.argsort(logits, kind="stable")
    value, place = np.unique(logits[order], return_inverse=True)
    counts = np.bincount(place, minlength=len(value))
    mean = np.cumsum(counts) - (counts - 1) / 2
    rank = np.empty(len(logits))
    rank[order] = mean[place]
    yes = int(truth.sum())
    return float((rank[truth].sum() - yes * (yes + 1) / 2) / (yes * (len(truth) - yes)))
