# SPDX-License-Identifier: Apache-2.0
"""What a described model shows depends on its weights: with random ones it is another answer.

A picture that stays the same when the weights are drawn anew would explain the image, not the
model (the sanity test of Adebayo et al., 2018).
"""

import json

import numpy as np
from scipy.stats import spearmanr

from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import BoolArray, Volume, axial
from healthvision.domains.modelhub.ports import Context, Material, StudyInput
from healthvision.plugins.applications.described import make
from tests.support import onnx_models
from tests.support.own_models import code, said, text

ONNX = "healthvision.plugins.engines.onnx:ENGINE"
SEEDS = range(40)
NUMBER = 14
SCORES = {
    "kind": "classification",
    "activation": "probability",
    "channels": NUMBER,
    "classes": [
        {"channel": i, "code": code(f"c{i}"), "label": text(f"Class {i}")} for i in range(NUMBER)
    ],
}


def _run(volume: Volume, weights: bytes, **changes: object) -> ApplicationOutput:
    count = volume.shape[0]
    header = SeriesHeader("1.2", "1.2.3", "CT", "1.2.840", instance_count=count)
    slices = tuple(SliceRef("1.2", f"1.2.3.{i}") for i in range(count))
    image = SeriesImage(header, volume, slices)
    material = Material(json.dumps(said(**changes)), ONNX, {"model.onnx": weights}.__getitem__)
    study = StudyInput([header], lambda _uid: image)
    return make(material).run(study, Context(0, lambda _share, _stage: None))


def _drawn(weights: bytes) -> BoolArray:
    """Return what the overlay shows of a volume with one bright block."""
    voxels = np.random.default_rng(5).normal(-300, 60, (12, 24, 24)).astype(np.float32)
    voxels[4:8, 6:14, 8:16] += 900
    out = _run(axial(voxels, (2.0, 1.0, 1.0)), weights)
    if out.segmentation is None:
        return np.zeros(voxels.shape, np.bool_)
    shown: BoolArray = out.segmentation.labels.voxels > 0
    return shown


def _told(seed: int) -> list[float]:
    """Return the raw scores of a film."""
    pixels = np.random.default_rng(6).random((1, 32, 32)).astype(np.float32)
    picture = {"kind": "image", "size": [32, 32], "intensity": {"scale": "zscore"}}
    out = _run(
        axial(pixels, (1.0, 0.4, 0.4)),
        onnx_models.scores(NUMBER, 32, seed),
        input=picture,
        output=SCORES,
        accepts="instance_count == 1",
    )
    return [m.value for m in out.measurements if m.code.value == "raw-model-score"]


def _dice(one: BoolArray, two: BoolArray) -> float:
    return float(2 * (one & two).sum() / max(int(one.sum() + two.sum()), 1))


class TestRandomisedWeights:
    def test_the_overlay_is_another_one(self) -> None:
        """Same weights: Dice 1. Random ones: the mean is under 0.5 with 97.5 % certainty."""
        trained = _drawn(onnx_models.brighter())
        assert trained.sum() == 4 * 8 * 8
        assert _dice(trained, _drawn(onnx_models.brighter())) == 1.0
        chance = np.array([_dice(trained, _drawn(onnx_models.mixing(2, seed))) for seed in SEEDS])
        error = chance.std(ddof=1) / np.sqrt(len(chance))
        assert chance.mean() + 1.96 * error < 0.5

    def test_the_scores_are_in_another_order(self) -> None:
        """Same weights: rank correlation 1. Random ones: 0 lies in the interval of the mean."""
        first = _told(1000)
        assert len(first) == NUMBER
        assert _told(1000) == first
        chance = np.array([spearmanr(first, _told(seed)).statistic for seed in SEEDS])
        error = chance.std(ddof=1) / np.sqrt(len(chance))
        assert abs(chance.mean()) < 3 * error
        assert chance.max() < 0.95
