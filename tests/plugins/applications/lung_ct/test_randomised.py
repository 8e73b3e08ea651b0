# SPDX-License-Identifier: Apache-2.0
"""What lung-ct says of a nodule, and why, depends on its forest: a shuffled one says otherwise.

An explanation that is the same for a forest without knowledge would explain the image, not the
forest (the sanity test of Adebayo et al., 2018). The measure of "the same" is how far two halves
of the trained forest agree with each other.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.nodules import read_forest
from healthvision.clinical.chest.training import label
from healthvision.clinical.phantoms.chest import SMALL, ChestPhantom, phantom
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import BoolArray, FloatArray
from healthvision.domains.modelhub.ports import Context, StudyInput
from healthvision.plugins.applications.lung_ct.application import LungCt

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
SHUFFLES = 99
CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates (n, features) of a phantom, and which of them are nodules."""

    subject: ChestPhantom
    x: FloatArray
    hit: BoolArray


@pytest.fixture(scope="module")
def given() -> Candidates:
    wishes = tuple(
        (kind, "isolated", size) for kind in ("solid", "ground-glass") for size in (8.0, 12.0, 16.0)
    )
    subject = phantom(905, replace(SMALL, noise_sd=20.0, wishes=wishes))  # type: ignore[arg-type]
    found = label(subject)
    return Candidates(subject, found.x, found.hit >= 0)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return read_forest()[0]


def shuffled(forest: Forest, seed: int) -> Forest:
    """Return a forest of the same shape in which splits and leaves are dealt out anew."""
    rng = np.random.default_rng(seed)
    feature = forest.feature.copy()
    inner = np.flatnonzero(feature >= 0)
    feature[inner] = rng.permutation(feature[inner])
    return replace(forest, feature=feature, value=rng.permutation(forest.value))


def auc(scores: FloatArray, hit: BoolArray) -> float:
    """Return the area under the ROC curve."""
    yes, no = scores[hit][:, None], scores[~hit][None]
    return float(np.mean((yes > no) + 0.5 * (yes == no)))


class TestShuffledForest:
    def test_tells_nodules_no_better_than_chance(self, given: Candidates, forest: Forest) -> None:
        """Permutation test: p < 0.05 for the trained forest, and chance lies about 0.5."""
        trained = auc(forest.raw(given.x), given.hit)
        chance = [auc(shuffled(forest, s).raw(given.x), given.hit) for s in range(SHUFFLES)]
        p = (1 + sum(c >= trained for c in chance)) / (1 + SHUFFLES)
        assert (trained > 0.9, p < 0.05) == (True, True), (trained, p)
        low, high = np.percentile(chance, [2.5, 97.5])
        assert low < 0.5 < high

    def test_explains_each_nodule_by_other_features(
        self, given: Candidates, forest: Forest
    ) -> None:
        """For each nodule the halves agree more than 95 % of the shuffled forests do."""
        one, two = (replace(forest, roots=forest.roots[k::2]) for k in (0, 1))
        others = [shuffled(forest, s) for s in range(SHUFFLES)]
        for row in given.x[given.hit]:
            same = spearmanr(one.attribute(row), two.attribute(row)).statistic
            truth = forest.attribute(row)
            chance = [spearmanr(truth, other.attribute(row)).statistic for other in others]
            assert same > np.percentile(chance, 95)
            assert same > np.median(chance) + 0.3

    def test_changes_confidence_and_explanation_of_the_result(
        self, given: Candidates, forest: Forest
    ) -> None:
        said, other = (
            {f.location.position_lps_mm: f for f in self._run(given, used).findings}
            for used in (forest, shuffled(forest, 0))
        )
        nodules = {k for k, f in said.items() if f.confidence.value is not None}
        assert nodules
        for place in nodules:
            if place not in other:
                continue  # not even found any more
            before, after = said[place], other[place]
            assert before.confidence.value is not None
            assert after.confidence.value is not None
            assert abs(before.confidence.value - after.confidence.value) > 0.02
            named = [c.feature for c in before.explanation.contributions]
            assert named != [c.feature for c in after.explanation.contributions]

    def _run(self, given: Candidates, forest: Forest) -> ApplicationOutput:
        volume = given.subject.volume
        header = SeriesHeader("1.2.3", "1.2.3.1", "CT", CT, instance_count=volume.shape[0])
        slices = tuple(SliceRef(CT, f"1.2.3.1.{i}") for i in range(volume.shape[0]))
        image = SeriesImage(header, volume, slices)
        application = LungCt()
        application._forest = forest
        study = StudyInput([header], lambda _uid: image)
        return application.run(study, Context(0, lambda _share, _stage: None))
