# SPDX-License-Identifier: Apache-2.0
"""An application's output as JSON and named arrays, on its way out of the sandbox.

What comes from the sandbox is foreign input: everything is validated again on the way in.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from healthvision.clinical.result import (
    Category,
    ChosenSeries,
    ExplicitNegative,
    Finding,
    Gate,
    Measurement,
    Text,
    Value,
)
from healthvision.clinical.study import (
    ApplicationOutput,
    KeyImage,
    Segment,
    Segmentation,
    SliceRef,
)
from healthvision.clinical.volume import Array, Volume

SaveArray = Callable[[str, Array], str]
LoadArray = Callable[[str], Array]
_MAX_KEY_IMAGES = 64
_SEGMENTS = TypeAdapter(tuple[Segment, ...])


class _KeyImageHead(Value):
    name: str
    pixels: str
    slice_index: int
    caption: Text
    tracking_id: str | None


class _LabelsHead(Value):
    labels: str
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]
    segments: list[Any]


class _Head(Value):
    chosen: ChosenSeries | None
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    negatives: tuple[ExplicitNegative, ...]
    summary: Text
    limitations: tuple[Text, ...]
    segmentation: _LabelsHead | None
    key_images: tuple[_KeyImageHead, ...]
    abstained: Text | None
    stages_s: dict[str, float]
    categories: tuple[Category, ...] = ()


class BadOutput(ValueError):
    """The answer is no valid output; the text says which part, without its values."""


def encode(output: ApplicationOutput, save: SaveArray) -> dict[str, Any]:
    """Return the output as JSON; arrays go through ``save``, which returns their name."""
    return {
        "chosen": None if output.chosen is None else output.chosen.model_dump(mode="json"),
        "gates": [g.model_dump(mode="json") for g in output.gates],
        "findings": [f.model_dump(mode="json") for f in output.findings],
        "measurements": [m.model_dump(mode="json") for m in output.measurements],
        "negatives": [n.model_dump(mode="json") for n in output.negatives],
        "summary": output.summary.model_dump(mode="json"),
        "limitations": [t.model_dump(mode="json") for t in output.limitations],
        "segmentation": _encode_labels(output.segmentation, save),
        "key_images": [
            {
                "name": image.name,
                "pixels": save(f"key-{number}", np.ascontiguousarray(image.pixels)),
                "slice_index": int(image.slice_index),
                "caption": image.caption.model_dump(mode="json"),
                "tracking_id": image.tracking_id,
            }
            for number, image in enumerate(output.key_images)
        ],
        "abstained": None if output.abstained is None else output.abstained.model_dump(mode="json"),
        "stages_s": {name: float(seconds) for name, seconds in output.stages_s.items()},
        "categories": [c.model_dump(mode="json") for c in output.categories],
    }


def _encode_labels(segmentation: Segmentation | None, save: SaveArray) -> dict[str, Any] | None:
    if segmentation is None:
        return None
    labels = segmentation.labels
    return {
        "labels": save("labels", np.ascontiguousarray(labels.voxels)),
        "spacing": [float(s) for s in labels.spacing],
        "origin": [float(o) for o in labels.origin],
        "direction": [float(d) for d in labels.direction.ravel()],
        "segments": _SEGMENTS.dump_python(segmentation.segments, mode="json"),
    }


def decode(document: Any, load: LoadArray) -> ApplicationOutput:
    """Return the output; raises BadOutput when anything is not as the contract says."""
    try:
        head = _Head.model_validate(document)
        images = tuple(_key_image(item, load) for item in head.key_images[:_MAX_KEY_IMAGES])
        segmentation = None if head.segmentation is None else _labels(head.segmentation, load)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadOutput(f"the output's field {place or 'root'} is not valid") from None
    if head.abstained is not None and head.findings:
        raise BadOutput("an abstained output has no findings")
    if len({f.tracking_id for f in head.findings}) != len(head.findings):
        raise BadOutput("two findings have the same tracking id")
    return ApplicationOutput(
        chosen=head.chosen,
        gates=head.gates,
        findings=head.findings,
        measurements=head.measurements,
        negatives=head.negatives,
        summary=head.summary,
        limitations=head.limitations,
        segmentation=segmentation,
        key_images=images,
        abstained=head.abstained,
        stages_s=head.stages_s,
        categories=head.categories,
    )


def _key_image(head: _KeyImageHead, load: LoadArray) -> KeyImage:
    pixels = load(head.pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadOutput("a key image is no (rows, columns, 3) array of uint8")
    return KeyImage(head.name, pixels, head.slice_index, head.caption, head.tracking_id)


def _labels(head: _LabelsHead, load: LoadArray) -> Segmentation:
    voxels = load(head.labels)
    if voxels.dtype not in (np.uint8, np.uint16) or len(head.direction) != 9:
        raise BadOutput("the label map is no array of uint8 or uint16 with a direction")
    try:
        direction = np.array(head.direction, float).reshape(3, 3)
        volume = Volume(voxels, head.spacing, head.origin, direction)
    except ValueError:
        raise BadOutput("the label map has no valid geometry") from None
    segments = _SEGMENTS.validate_python(head.segments)
    if int(voxels.max(initial=0)) > max((s.number for s in segments), default=0):
        raise BadOutput("the label map holds a label without a segment")
    return Segmentation(volume, segments)


def encode_slices(slices: tuple[SliceRef, ...]) -> list[list[Any]]:
    """Return the origin of each slice of a loaded volume as JSON."""
    return [[s.sop_class_uid, s.sop_instance_uid, s.frame_number] for s in slices]


def decode_slices(document: Any) -> tuple[SliceRef, ...]:
    """Return the slices; raises BadOutput."""
    if not isinstance(document, list):
        raise BadOutput("the slices are no list")
    return tuple(TypeAdapter(SliceRef).validate_python(_slice_fields(item)) for item in document)


def _slice_fields(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, list) or len(item) != 3:
        raise BadOutput("a slice has three values")
    return dict(zip(("sop_class_uid", "sop_instance_uid", "frame_number"), item, strict=True))
