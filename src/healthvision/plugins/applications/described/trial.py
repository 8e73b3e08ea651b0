# SPDX-License-Identifier: Apache-2.0
"""The dry run of a described model on a phantom, inside the sandbox."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage, SliceRef
from healthvision.clinical.volume import Volume, axial
from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.ports import Context, Material, StudyInput
from healthvision.kernel.sandbox_child import SandboxFiles, SandboxOut
from healthvision.plugins.applications.described.application import Described
from healthvision.plugins.applications.described.asking import ServerUnavailable

_SERIES = "2.25.1"
_SHAPE, _SPACING = (24, 48, 48), (4.0, 2.0, 2.0)  # mm: a cube of 96 mm
_PICTURE = 256


def run(request: Any, files: SandboxFiles, out: SandboxOut) -> Any:
    """Run a described model twice on a phantom and once on an even image.

    (``sandbox_child.Target``.)

    ``request``: the material of ``modelhub.shelf.Stored.request`` with ``infer``. Answer:
    {refused, findings, measurements, labels: voxels by segment, stages, repeatable: the same
    twice, responds: another answer for the even image}.
    """
    description = ModelDescription.model_validate_json(request["description"])
    anything = description.model_copy(update={"accepts": "instance_count > 0"})
    index = request["files"]
    material = Material(
        anything.model_dump_json(), request["engine"], lambda n: files.read(index[n])
    )
    image, even = phantom(description), phantom(description, empty=True)
    context = Context(0, out.progress, {}, out.ask if request["infer"] else None)
    application = Described(material)
    try:
        output, again, other = (
            application.run(_study(shown), context) for shown in (image, image, even)
        )
    except ServerUnavailable as error:
        return {"refused": f"the inference server gave no answer: {error}"}
    return {
        "refused": None if output.abstained is None else output.abstained.en,
        "findings": [f.label.en for f in output.findings],
        "measurements": [f"{m.label.en} {m.value:g} {m.unit}" for m in output.measurements],
        "labels": _labels(output),
        "stages": output.stages_s,
        "repeatable": _digest(output) == _digest(again),
        "responds": _digest(output) != _digest(other),
    }


def _study(image: SeriesImage) -> StudyInput:
    return StudyInput([image.header], lambda _uid: image)


def phantom(description: ModelDescription, *, empty: bool = False) -> SeriesImage:
    """Return a bright ball with noise in dark surroundings, in the range the model expects.

    ``empty``: without the ball.
    """
    picture = description.input.kind == "image"
    shape = (1, _PICTURE, _PICTURE) if picture else _SHAPE
    limits = description.input.intensity.clip or (-1000.0, 400.0)
    grid = np.indices(shape).reshape(3, -1).T
    middle = (np.asarray(shape) - 1) / 2
    away = np.abs((grid - middle) / np.maximum(middle, 1)).max(axis=1) if picture else None
    if away is None:
        away = np.sqrt((((grid - middle) / middle) ** 2).sum(axis=1))
    share = np.where((away.reshape(shape) < 0.6) & (not empty), 0.75, 0.1)
    share = share + np.random.default_rng(0).normal(0, 0.02, shape)
    voxels = (limits[0] + share * (limits[1] - limits[0])).astype(np.float32)
    volume: Volume = axial(voxels, (1.0, 1.0, 1.0) if picture else _SPACING)
    header = SeriesHeader("2.25.2", _SERIES, "OT", "2.25.3", instance_count=shape[0])
    slices = tuple(SliceRef("2.25.3", f"2.25.4.{i}") for i in range(shape[0]))
    return SeriesImage(header, volume, slices)


def _labels(output: ApplicationOutput) -> dict[str, int]:
    if output.segmentation is None:
        return {}
    voxels = output.segmentation.labels.voxels
    return {s.label: int((voxels == s.number).sum()) for s in output.segmentation.segments}


def _digest(output: ApplicationOutput) -> str:
    plain = replace(output, segmentation=None, key_images=(), stages_s={})
    state = hashlib.sha256(repr((plain, _labels(output))).encode())
    if output.segmentation is not None:
        state.update(np.ascontiguousarray(output.segmentation.labels.voxels).tobytes())
    return state.hexdigest()
