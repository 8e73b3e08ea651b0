# SPDX-License-Identifier: Apache-2.0
"""What somebody brings: descriptions in YAML and JSON, good and bad."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from healthvision.domains.modelhub.cards import card_markdown
from healthvision.domains.modelhub.errors import DescriptionInvalid, ModelRefused
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.reading import parsed, read
from healthvision.kernel.rules import RuleInvalid
from tests.support import own_models
from tests.support.own_models import said

YAML = """
format: healthvision-model/1
id: bright-own
version: 1.0.0
title: {zh: 亮区, en: Bright things}
description: {zh: 标出亮区, en: Marks bright voxels.}
intended_use: {zh: 仅供测试, en: Tests only.}
limitations: [{zh: 玩具, en: A toy.}]
licence: CC0-1.0
commercial_use: true
accepts: "Modality == 'CT'"
engine: {kind: onnx, weights: model.onnx}
input: {kind: volume, axes: RAS, spacing_mm: [1.5, 1.5, 2]}
output:
  kind: segmentation
  activation: softmax
  channels: 2
  labels:
    - {channel: 1, code: {scheme: 99HV, value: b, meaning: b}, label: {zh: 亮, en: Bright}}
"""


def _with(where: str, value: Any) -> dict[str, Any]:
    """The description with one place changed, e.g. 'input.axes'."""
    found = json.loads(json.dumps(said()))
    place = found
    *path, last = where.split(".")
    for key in path:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    changed: dict[str, Any] = found
    return changed


class TestRead:
    def test_yaml_and_the_digest_of_the_weights(self, tmp_path: Path) -> None:
        (tmp_path / "model.yaml").write_text(YAML, encoding="utf-8")
        (tmp_path / "model.onnx").write_bytes(b"weights")
        proposal = read(tmp_path)
        file = proposal.description.file
        assert file is not None
        assert file.sha256 == hashlib.sha256(b"weights").hexdigest()
        assert proposal.description.input.spacing_mm == (1.5, 1.5, 2.0)
        assert read(tmp_path / "model.yaml") == proposal

    def test_another_digest_than_described_is_refused(self, tmp_path: Path) -> None:
        engine = {"kind": "onnx", "weights": "model.onnx", "sha256": "0" * 64}
        with pytest.raises(ModelRefused, match="SHA-256"):
            read(own_models.folder(tmp_path, engine=engine))

    def test_weights_must_be_a_file_beside_it(self, tmp_path: Path) -> None:
        folder = own_models.folder(tmp_path / "m")
        (folder / "model.onnx").unlink()
        with pytest.raises(ModelRefused, match="no weights file"):
            read(folder)
        (tmp_path / "secret").write_bytes(b"secret")
        (folder / "model.onnx").symlink_to(tmp_path / "secret")
        with pytest.raises(ModelRefused, match="no weights file"):
            read(folder)

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("model.yaml", "a: &x [1]\nb: *x", "aliases"),
            ("model.yaml", "a: !!python/object/apply:os.system [ls]", "not readable"),
            ("model.yaml", "{" * 2000, "not readable"),
            ("model.json", "[" * 100_000, "not readable"),
            ("model.json", "{}", "Field required"),
            ("model.yaml", "x: .nan", "values that JSON cannot hold"),
            ("model.yaml", "", "should be an object"),
        ],
    )
    def test_hostile_or_empty_files(
        self, tmp_path: Path, name: str, content: str, words: str
    ) -> None:
        (tmp_path / name).write_text(content)
        with pytest.raises(DescriptionInvalid, match=words):
            read(tmp_path)

    def test_a_condition_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RuleInvalid):
            read(own_models.folder(tmp_path, accepts="Modality = 'CT'"))

    def test_a_folder_without_anything(self, tmp_path: Path) -> None:
        with pytest.raises(DescriptionInvalid, match=r"no model\.yaml"):
            read(tmp_path)
        with pytest.raises(DescriptionInvalid, match="there is no"):
            read(tmp_path / "nothing")


class TestParsed:
    @pytest.mark.parametrize(
        ("where", "value", "words"),
        [
            ("colour", 1, "colour"),
            ("id", "Upper", "id"),
            ("version", 1.0, "version"),
            ("version", "../1", "version"),
            ("licence", "", "licence"),
            ("limitations", [], "limitations"),
            ("commercial_use", "yes", "commercial_use"),
            ("engine.weights", "../model.onnx", "weights"),
            ("engine.weights", "/etc/passwd", "weights"),
            ("engine.kind", "pickle", "engine"),
            ("input.axes", "RRS", "axes"),
            ("input.axes", "XYZ", "axes"),
            ("input.spacing_mm", [1, 1], "3 numbers"),
            ("input.spacing_mm", [0, 1, 1], "between"),
            ("input.window", [4096, 4096, 4096], "million voxels"),
            ("input.size", [1, 1, 1], "between 8 and"),
            ("input.intensity", {"clip": [5, 5]}, "lower"),
            ("input.intensity", {"scale": "fixed"}, "mean and sd"),
            ("output.labels.0.channel", 2, "above the number of channels"),
            ("output.labels", [], "labels"),
            ("budget.memory_mb", 10**6, "at most"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, where: str, value: Any, words: str) -> None:
        with pytest.raises(DescriptionInvalid, match=words):
            parsed(_with(where, value), "model.json")

    def test_classes_share_no_channel(self) -> None:
        twice = said()["output"]["labels"] * 2
        with pytest.raises(DescriptionInvalid, match="share a channel"):
            parsed(_with("output.labels", twice), "model.json")

    @pytest.mark.parametrize("name", ["model.json", "Model.JSON", "model.json.part", "model.yaml"])
    def test_weights_do_not_lie_under_the_name_of_a_description(self, name: str) -> None:
        with pytest.raises(DescriptionInvalid, match="names of descriptions"):
            parsed(said(engine={"kind": "onnx", "weights": name}), "m")


RECORD = {
    "metric": "dice", "value": 0.9, "low": 0.85, "high": 0.95, "n": 20, "data": "public-1",
    "level": "E2", "command": "make evaluate",
}  # fmt: skip


class TestEvidence:
    def test_without_a_record_there_is_no_level(self) -> None:
        assert manifest_of(parsed(said(), "m")).evidence_level.value == "unmeasured"

    @pytest.mark.parametrize("level", ["E1", "E2", "E3"])
    def test_what_a_supplier_states_raises_nothing(self, level: str) -> None:
        found = manifest_of(parsed(said(evidence=[{**RECORD, "level": level}]), "m"))
        assert found.evidence_level.value == "unmeasured"
        assert [r.level.value for r in found.evidence] == ["unmeasured"]
        limits = " ".join(t.en for t in found.limitations)
        assert "its accuracy was not measured here" in limits
        assert "as its supplier states" in limits
        card = card_markdown(found, "en")
        assert f"as its supplier states ({level}) / 据提供者所述: public-1 | unmeasured" in card
        assert "validated" not in card

    def test_nobody_can_write_the_level_itself(self) -> None:
        with pytest.raises(DescriptionInvalid, match="evidence_level"):
            parsed(said(evidence_level="E3"), "m")
