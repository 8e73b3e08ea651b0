# SPDX-License-Identifier: Apache-2.0
"""The templates for well-known networks, with stand-ins of the same shapes; no weights here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from healthvision.clinical.result import EvidenceLevel
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Volume, axial
from healthvision.domains.modelhub import templates
from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.errors import DescriptionInvalid, ModelExists
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.ports import Context, Material, StudyInput
from healthvision.domains.modelhub.reading import parsed
from healthvision.domains.modelhub.service import check_manifest
from healthvision.plugins.applications.described import make
from tests.support import onnx_models

ONNX = "healthvision.plugins.engines.onnx:ENGINE"
ORGANS, FINDINGS = "totalsegmentator-fast", "torchxrayvision-14"


def _description(name: str) -> ModelDescription:
    return parsed(yaml.safe_load(templates.text(name)), name)


def _run(said: ModelDescription, weights: bytes, volume: Volume, modality: str) -> Any:
    count = volume.shape[0]
    header = SeriesHeader("1.2", "1.2.3", modality, "1.2.840", instance_count=count)
    slices = tuple(SliceRef("1.2", f"1.2.3.{i}") for i in range(count))
    image = SeriesImage(header, volume, slices)
    material = Material(said.model_dump_json(), ONNX, {"model.onnx": weights}.__getitem__)
    study = StudyInput([header], lambda _uid: image)
    return make(material).run(study, Context(0, lambda _share, _stage: None))


def _organs(weights: bytes) -> ApplicationOutput:
    """Run the organs' template with a smaller window, on a CT of 5 mm slices."""
    said = _description(ORGANS)
    small = said.input.model_copy(update={"window": (16, 24, 32)})
    voxels = np.random.default_rng(1).normal(0, 300, (30, 40, 40)).astype(np.float32)
    output: ApplicationOutput = _run(
        said.model_copy(update={"input": small}), weights, axial(voxels, (5.0, 2.0, 2.0)), "CT"
    )
    return output


def _film(weights: bytes) -> ApplicationOutput:
    pixels = np.random.default_rng(2).integers(0, 4096, (1, 300, 260)).astype(np.float32)
    volume = axial(pixels, (1.0, 0.4, 0.4))
    output: ApplicationOutput = _run(_description(FINDINGS), weights, volume, "DX")
    return output


class TestTemplates:
    @pytest.mark.parametrize("name", [ORGANS, FINDINGS])
    def test_each_is_a_description_that_claims_nothing(self, name: str) -> None:
        assert templates.names() == sorted([ORGANS, FINDINGS])
        said = _description(name)
        check_manifest(manifest_of(said))
        assert (said.id, said.commercial_use, said.evidence) == (name, False, ())
        assert manifest_of(said).evidence_level is EvidenceLevel.NONE
        notes = templates.text(name)
        assert "Licence of the weights" in notes
        assert "How to bring the weights" in notes

    def test_one_is_written_once(self, tmp_path: Path) -> None:
        target = templates.write(ORGANS, tmp_path / "ts")
        assert target.read_text(encoding="utf-8") == templates.text(ORGANS)
        with pytest.raises(ModelExists):
            templates.write(ORGANS, tmp_path / "ts")
        with pytest.raises(DescriptionInvalid, match="there are"):
            templates.write("../secret", tmp_path)

    def test_organs_run_with_a_stand_in_of_118_channels(self) -> None:
        out = _organs(onnx_models.mixing(118, winners=(5, 52)))
        assert (out.abstained, out.findings) == (None, ())
        assert out.segmentation is not None
        assert out.segmentation.labels.voxels.shape == (30, 40, 40)
        drawn = {s.number: s.type.meaning for s in out.segmentation.segments}
        labels = out.segmentation.labels.voxels
        seen = {drawn[n] for n in np.unique(labels[labels > 0])}
        assert seen == {"Liver", "Aorta"}
        assert {m.label.en for m in out.measurements} >= {"Liver, volume", "Aorta, volume"}

    def test_another_number_of_channels_is_refused(self) -> None:
        out = _organs(onnx_models.mixing(105))
        assert out.abstained is not None
        assert "105 channels, 118 were described" in out.abstained.en

    def test_findings_run_with_a_stand_in_of_18_outputs(self) -> None:
        out = _film(onnx_models.scores(18, 224))
        assert out.abstained is None
        raw = [m for m in out.measurements if m.code.value == "raw-model-score"]
        assert len(raw) == 14
        assert {f.confidence.value for f in out.findings} <= {None}
        words = " ".join(t.en for t in out.limitations)
        assert "confounded" in words
        assert "Unmeasured here" in words
        assert "混杂" in " ".join(t.zh for t in out.limitations)
