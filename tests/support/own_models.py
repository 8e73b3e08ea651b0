# SPDX-License-Identifier: Apache-2.0
"""Folders with a described model, as somebody would bring them."""

import json
from pathlib import Path
from typing import Any

from tests.support import onnx_models


def text(en: str) -> dict[str, str]:
    """The same words twice."""
    return {"zh": f"{en}（中）", "en": en}


def code(value: str) -> dict[str, str]:
    """A code of our own scheme."""
    return {"scheme": "99HV", "value": value, "meaning": value}


def said(**changes: Any) -> dict[str, Any]:
    """A description of a segmentation of bright voxels in a CT."""
    return {
        "format": "healthvision-model/1",
        "id": "bright-own",
        "version": "1.0.0",
        "title": text("Bright things"),
        "description": text("Marks bright voxels."),
        "intended_use": text("Tests only."),
        "limitations": [text("A toy.")],
        "licence": "CC0-1.0",
        "commercial_use": True,
        "accepts": "Modality == 'CT' && instance_count >= 3",
        "engine": {"kind": "onnx", "weights": "model.onnx"},
        "input": {
            "kind": "volume",
            "axes": "RAS",
            "intensity": {"clip": [-1000, 1000], "scale": "range"},
        },
        "output": {
            "kind": "segmentation",
            "activation": "softmax",
            "channels": 2,
            "labels": [
                {"channel": 1, "code": code("bright"), "label": text("Bright"), "finding": True}
            ],
        },
        "budget": {"memory_mb": 1024, "cpu_seconds": 30, "wall_seconds": 30, "threads": 1},
        **changes,
    }


def folder(path: Path, weights: bytes | None = None, **changes: Any) -> Path:
    """Write the description and its weights (default: ``onnx_models.brighter``)."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.json").write_text(json.dumps(said(**changes)), encoding="utf-8")
    (path / "model.onnx").write_bytes(onnx_models.brighter() if weights is None else weights)
    return path
