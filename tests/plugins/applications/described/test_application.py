# SPDX-License-Identifier: Apache-2.0
"""A described model as an application, with tiny networks, in this process."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from healthvision.clinical.result import EvidenceLevel, GateOutcome
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Array, Volume, axial
from healthvision.domains.modelhub.ports import Context, Material, StudyInput
from healthvision.plugins.applications.described import make
from healthvision.plugins.applications.described.asking import ServerUnavailable
from tests.support import onnx_models
from tests.support.own_models import code, said, text

ONNX = "healthvision.plugins.engines.onnx:ENGINE"
PICTURE: dict[str, Any] = {"kind": "image", "intensity": {"scale": "none"}}
SCORES = {
    "kind": "classification",
    "activation": "sigmoid",
    "channels": 1,
    "classes": [{"channel": 0, "code": code("pale"), "label": text("Pale"), "threshold": 0.6}],
}


def _image(volume: Volume, modality: str = "CT") -> SeriesImage:
    count = volume.shape[0]
    header = SeriesHeader("1.2", "1.2.3", modality, "1.2.840", instance_count=count)
    return SeriesImage(header, volume, tuple(SliceRef("1.2", f"1.2.3.{i}") for i in range(count)))


def _ct(*, reverse: bool = False) -> Volume:
    """Air with two bright blocks: 4 x 6 x 6 and 2 x 2 x 2 voxels of 2 x 1 x 1 mm."""
    voxels = np.full((12, 32, 32), -1000, np.float32)
    voxels[2:6, 4:10, 20:26] = 900
    voxels[9:11, 20:22, 4:6] = 900
    volume = axial(voxels, (2.0, 1.0, 1.0))
    if not reverse:
        return volume
    turned = volume.direction * np.array([-1.0, 1.0, 1.0])
    return Volume(voxels[::-1].copy(), volume.spacing, volume.to_lps((11, 0, 0)), turned)


def _run(
    image: SeriesImage, weights: bytes | None = None, infer: Any = None, **changes: Any
) -> ApplicationOutput:
    data = onnx_models.brighter() if weights is None else weights
    material = Material(json.dumps(said(**changes)), ONNX, {"model.onnx": data}.__getitem__)
    study = StudyInput([image.header], lambda _uid: image)
    return make(material).run(study, Context(0, lambda _share, _stage: None, {}, infer))


class TestSegmentation:
    def test_blocks_become_findings_with_their_sizes(self) -> None:
        out = _run(_image(_ct()))
        assert out.abstained is None
        assert out.segmentation is not None
        np.testing.assert_array_equal(out.segmentation.labels.voxels, _ct().voxels > 0)
        first, second = out.findings
        sizes = {m.code.value: m.value for m in first.measurements}
        assert sizes["118565006"] == pytest.approx(4 * 36 * 0.002)
        assert sizes["longest-axial-diameter"] == pytest.approx(1 + np.hypot(5, 5), abs=0.1)
        assert first.location.position_lps_mm == pytest.approx((22.5, 6.5, 4.0))
        assert first.location.sop_instance_uid == "1.2.3.2"
        assert second.measurements[1].value == pytest.approx(0.016)
        assert [m.label.en for m in out.measurements] == ["Bright, volume"]

    def test_the_same_patient_place_when_slices_come_the_other_way(self) -> None:
        turned = _ct(reverse=True)
        out = _run(_image(turned))
        assert out.segmentation is not None
        np.testing.assert_array_equal(out.segmentation.labels.voxels, turned.voxels > 0)
        assert out.findings[0].location.position_lps_mm == pytest.approx((22.5, 6.5, 4.0))
        assert out.findings[0].location.sop_instance_uid == "1.2.3.9"

    def test_nothing_is_claimed_that_is_not_known(self) -> None:
        out = _run(_image(_ct()))
        finding = out.findings[0]
        assert finding.confidence.value is None
        assert finding.evidence_level is EvidenceLevel.NONE
        raw = next(m for m in finding.measurements if m.code.value == "raw-model-score")
        assert 0.5 < raw.value <= 1
        assert "not calibrated" in raw.label.en
        assert "not thereby normal" in out.summary.en
        assert any("not measured here" in t.en for t in out.limitations)
        assert out.negatives == ()

    def test_classes_that_overlap_keep_their_own_sizes(self) -> None:
        """Truth: 256 voxels (2 mm3 each) and, inside of them, 128."""
        voxels = np.zeros((12, 32, 32), np.float32)
        voxels[2:6, 4:12, 4:12] = 0.5
        voxels[2:6, 4:12, 4:8] = 1.0

        def infer(_name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
            batch: Array = values["input"]
            return {"output": np.concatenate([batch > 0.9, batch > 0.4], axis=1).astype("f4")}

        names = ("Core", "Whole")
        labels = [
            {"channel": i, "code": code(n.lower()), "label": text(n), "finding": True}
            for i, n in enumerate(names)
        ]
        output = {
            "kind": "segmentation", "activation": "probability", "channels": 2, "labels": labels,
        }  # fmt: skip
        spec = {**said()["input"], "intensity": {"scale": "none"}}
        out = _run(
            _image(axial(voxels, (2.0, 1.0, 1.0))), infer=infer, engine=dict(TestServer.engine),
            input=spec, output=output,
        )  # fmt: skip
        assert [m.value for m in out.measurements] == pytest.approx([0.256, 0.512])
        sizes = [{m.code.value: m.value for m in f.measurements} for f in out.findings]
        assert [s["118565006"] for s in sizes] == pytest.approx([0.256, 0.512])
        assert sizes[1]["longest-axial-diameter"] == pytest.approx(1 + np.hypot(7, 7), abs=0.1)
        assert out.segmentation is not None
        drawn = out.segmentation.labels.voxels
        assert [int((drawn == n).sum()) for n in (1, 2)] == [128, 128]
        gates = {g.id: g for g in out.gates}
        assert (gates["overlap"].outcome, gates["overlap"].value) == (GateOutcome.WARNING, 128)
        assert "classes overlap" in out.summary.en

    def test_a_class_that_another_one_covers_is_still_told(self) -> None:
        def infer(_name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"output": np.concatenate([values["input"]] * 2, axis=1)}

        labels = [
            {"channel": i, "code": code(f"c{i}"), "label": text(f"C{i}"), "finding": True}
            for i in range(2)
        ]
        output = {
            "kind": "segmentation", "activation": "probability", "channels": 2, "labels": labels,
        }  # fmt: skip
        out = _run(_image(_ct()), infer=infer, engine=dict(TestServer.engine), output=output)
        assert len({m.value for m in out.measurements}) == 1
        assert len(out.measurements) == 2
        assert len(out.findings) == 4
        assert out.segmentation is not None
        assert [s.number for s in out.segmentation.segments] == [2]
        overlays = [f.explanation.overlay for f in out.findings]
        assert [o.segment for o in overlays if o is not None] == [None, None, 2, 2]

    @pytest.mark.parametrize(
        ("weights", "words"),
        [
            (onnx_models.nan(), "no numbers"),
            (onnx_models.outside("../../../../etc/passwd"), "in other files"),
            (onnx_models.outside("/etc/passwd"), "in other files"),
            (b"no onnx at all", "cannot load it"),
            (onnx_models.mean_logit(dimensions=3), "a map was described"),
        ],
        ids=["nan", "outside", "absolute", "garbage", "shape"],
    )
    def test_a_bad_network_gives_no_result(self, weights: bytes, words: str) -> None:
        out = _run(_image(_ct()), weights)
        assert out.abstained is not None
        assert words in out.abstained.en
        assert out.gates[-1].outcome is GateOutcome.FAILED
        assert (out.findings, out.measurements, out.segmentation) == ((), (), None)

    def test_it_does_not_read_what_it_is_not_made_for(self) -> None:
        for image in (_image(_ct(), "MR"), _image(axial(np.zeros((1, 32, 32))))):
            out = _run(image)
            assert out.abstained is not None
            assert "No series fits" in out.abstained.en

    def test_a_coarser_image_is_warned_about(self) -> None:
        spec = {**said()["input"], "spacing_mm": [0.5, 0.5, 0.5]}
        gates = {g.id: g for g in _run(_image(_ct()), input=spec).gates}
        assert gates["spacing"].outcome is GateOutcome.WARNING


class TestClassification:
    @pytest.mark.parametrize(("grey", "told"), [(0.9, 1), (0.4, 0)])
    def test_a_class_is_told_above_its_threshold(self, grey: float, told: int) -> None:
        picture = _image(axial(np.full((1, 64, 64), grey, np.float32)), "DX")
        out = _run(
            picture, onnx_models.mean_logit(), input=PICTURE, output=SCORES,
            accepts="Modality == 'DX'",
        )  # fmt: skip
        assert len(out.findings) == told
        score = 1 / (1 + np.exp(-4 * (grey - 0.5)))
        assert out.measurements[0].value == pytest.approx(score, abs=1e-3)
        assert out.abstained is None


class TestRegression:
    @pytest.mark.parametrize(("plausible", "kept"), [([0, 100], True), ([0, 5], False)])
    def test_an_implausible_number_is_withheld(self, plausible: list[int], kept: bool) -> None:
        output = {
            "kind": "regression",
            "channels": 1,
            "quantities": [
                {
                    "channel": 0,
                    "code": code("age"),
                    "label": text("Age"),
                    "unit": "a",
                    "scale": 10.0,
                    "offset": 5.0,
                    "plausible": plausible,
                }
            ],
        }
        picture = _image(axial(np.full((1, 64, 64), 0.75, np.float32)), "DX")
        out = _run(
            picture, onnx_models.mean_logit(), input=PICTURE, output=output,
            accepts="Modality == 'DX'",
        )  # fmt: skip
        assert (out.abstained is None) is kept
        assert [m.value for m in out.measurements] == ([pytest.approx(15.0)] if kept else [])


class TestServer:
    engine: Mapping[str, str] = {
        "kind": "triton", "url": "https://t.example", "model": "m", "input": "x", "output": "y",
    }  # fmt: skip

    def test_the_server_gets_voxels_and_nothing_else(self) -> None:
        asked: list[tuple[str, Mapping[str, Any]]] = []

        def infer(name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
            asked.append((name, values))
            batch: Array = values["input"]
            return {"output": np.concatenate([0.5 - batch, batch - 0.5], axis=1)}

        out = _run(_image(_ct()), infer=infer, engine=dict(self.engine))
        assert out.segmentation is not None
        assert [(n, list(v)) for n, v in asked] == [("model:bright-own@1.0.0", ["input"])]
        assert any("inference server" in t.en for t in out.limitations)

    def test_a_server_that_is_away_fails_the_task(self) -> None:
        def infer(_name: str, _values: Mapping[str, Any]) -> Mapping[str, Any]:
            raise RuntimeError("engine-busy")

        with pytest.raises(ServerUnavailable, match="engine-busy"):
            _run(_image(_ct()), infer=infer, engine=dict(self.engine))
