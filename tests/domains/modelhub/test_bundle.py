# SPDX-License-Identifier: Apache-2.0
"""MONAI bundles: the subset that is understood, and refusals that name the key."""

import json
from pathlib import Path
from typing import Any

import pytest

from healthvision.domains.modelhub.errors import BundleNotUnderstood
from healthvision.domains.modelhub.reading import read
from tests.support import onnx_models

META: dict[str, Any] = {
    "version": "0.5.9",
    "name": "Spleen CT segmentation",
    "task": "Spleen Segmentation in CT images",
    "description": "A toy in the form of a bundle",
    "authors": "somebody",
    "license": "Apache-2.0",
    "network_data_format": {
        "inputs": {"image": {"modality": "CT", "num_channels": 1, "format": "hounsfield"}},
        "outputs": {
            "pred": {
                "format": "segmentation",
                "num_channels": 2,
                "channel_def": {"0": "background", "1": "spleen"},
            }
        },
    },
}
STEPS: list[dict[str, Any]] = [
    {"_target_": "LoadImaged", "keys": "@image_key"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
    {"_target_": "Spacingd", "keys": "image", "pixdim": "@pixdim", "mode": "bilinear"},
    {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -57, "a_max": 164, "b_min": 0,
     "b_max": 1, "clip": True},
    {"_target_": "EnsureTyped", "keys": "image"},
]  # fmt: skip
CONFIG: dict[str, Any] = {
    "imports": ["$import glob"],
    "bundle_root": ".",
    "pixdim": [1.5, 1.5, 2.0],
    "device": "$torch.device('cuda')",
    "preprocessing": {"_target_": "Compose", "transforms": STEPS},
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96], "sw_batch_size": 4,
                "overlap": 0.5},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing"},
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {"_target_": "SaveImaged", "keys": "pred"},
        ],
    },
}  # fmt: skip


def _bundle(folder: Path, meta: Any = META, config: Any = CONFIG) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps(meta))
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "models" / "model.onnx").write_bytes(onnx_models.brighter())
    return folder


def _steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return {**CONFIG, "preprocessing": {"_target_": "Compose", "transforms": list(steps)}}


class TestDescribe:
    def test_a_bundle_of_the_usual_form(self, tmp_path: Path) -> None:
        found = read(_bundle(tmp_path / "b")).description
        assert (found.id, found.version) == ("spleen-ct-segmentation", "0.5.9")
        assert found.accepts == "Modality == 'CT' && instance_count >= 10"
        spec = found.input
        assert (spec.axes, spec.spacing_mm) == ("RAS", (1.5, 1.5, 2.0))
        assert (spec.window, spec.overlap) == ((96, 96, 96), 0.5)
        assert (spec.intensity.clip, spec.intensity.scale) == ((-57.0, 164.0), "range")
        assert found.output.kind == "segmentation"
        assert found.output.activation == "softmax"
        assert [label.label.en for label in found.output.labels] == ["spleen"]
        assert (found.licence, found.commercial_use) == ("Apache-2.0", False)

    @pytest.mark.parametrize(
        ("step", "words"),
        [
            ({"_target_": "CropForegroundd", "keys": "image"}, r"transforms\[6\].*CropForeground"),
            ({"_target_": "os.system", "command": "ls"}, "system"),
            ({"_target_": "NormalizeIntensityd", "keys": "image"}, "second scaling"),
            ({"_target_": "Spacingd", "pixdim": "$[1, 1, 1]"}, "pixdim"),
            ({"_target_": "Orientationd", "axcodes": "RAS", "lambda": "$x"}, "lambda"),
            ({"no": "target"}, "_target_"),
            ({"_target_": "Orientationd", "axcodes": "RAS",
              "labels": [["R", "L"], ["P", "A"], ["I", "S"]]}, "labels"),
            ({"_target_": "Orientationd", "axcodes": "RAS", "labels": None}, "labels"),
            ({"_target_": "Orientationd", "axcodes": "LPS", "as_closest_canonical": True},
             "as_closest_canonical"),
            ({"_target_": "scripts.mine.Spacingd", "pixdim": [1, 1, 1]}, "scripts.mine.Spacingd"),
            ({"_target_": "monaix.Spacingd", "pixdim": [1, 1, 1]}, "no class of MONAI"),
            ({"_target_": "Spacingd", "pixdim": [1, 1, 1]}, r"\[6\]: Spacing at this place"),
            ({"_target_": "Orientationd", "axcodes": "RAS"}, "Orientation at this place"),
            ({"_target_": "ScaleIntensityd", "minv": None, "maxv": None}, "minv"),
            ({"_target_": "ScaleIntensityd", "minv": 0, "maxv": [1]}, "second scaling"),
            ({"_target_": "Resized", "spatial_size": [1e999, 64, 64]}, "spatial_size"),
        ],
    )  # fmt: skip
    def test_what_is_not_understood_is_refused_by_its_key(
        self, tmp_path: Path, step: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(BundleNotUnderstood, match=words):
            read(_bundle(tmp_path / "b", config=_steps(*STEPS, step)))

    def test_monais_own_long_names_and_defaults_are_understood(self, tmp_path: Path) -> None:
        turned = {
            "_target_": "monai.transforms.Orientationd", "keys": "image", "axcodes": "LAS",
            "labels": [["L", "R"], ["P", "A"], ["I", "S"]], "as_closest_canonical": False,
        }  # fmt: skip
        config = _steps(*STEPS[:2], turned, *STEPS[3:])
        assert read(_bundle(tmp_path / "b", config=config)).description.input.axes == "LAS"

    def test_resampling_before_turning_is_refused(self, tmp_path: Path) -> None:
        config = _steps(STEPS[3], STEPS[2], STEPS[4])
        with pytest.raises(BundleNotUnderstood, match="the order understood"):
            read(_bundle(tmp_path / "b", config=config))

    def test_a_step_that_is_off_does_not_count(self, tmp_path: Path) -> None:
        off = {"_target_": "CropForegroundd", "_disabled_": True}
        read(_bundle(tmp_path / "b", config=_steps(*STEPS, off)))

    def test_without_an_orientation_the_axes_are_not_known(self, tmp_path: Path) -> None:
        with pytest.raises(BundleNotUnderstood, match="Orientationd"):
            read(_bundle(tmp_path / "b", config=_steps(STEPS[0])))

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"inferer": {"_target_": "$my.Inferer()"}}, "inferer"),
            ({"inferer": {"_target_": "scripts.SimpleInferer"}}, "scripts.SimpleInferer"),
            ({"postprocessing": {"transforms": []}}, "no activation"),
            (
                {"postprocessing": {"transforms": [
                    {"_target_": "KeepLargestConnectedComponentd", "keys": "pred"}]}},
                "KeepLargestConnectedComponent",
            ),
            ({"preprocessing": "$compose()"}, "preprocessing"),
        ],
    )  # fmt: skip
    def test_other_parts(self, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(BundleNotUnderstood, match=words):
            read(_bundle(tmp_path / "b", config={**CONFIG, **changes}))

    def test_a_checkpoint_alone_needs_the_bundles_python(self, tmp_path: Path) -> None:
        folder = _bundle(tmp_path / "b")
        (folder / "models" / "model.onnx").rename(folder / "models" / "model.pt")
        with pytest.raises(BundleNotUnderstood, match="export it first"):
            read(folder)
