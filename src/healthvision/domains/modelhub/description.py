# SPDX-License-Identifier: Apache-2.0
"""A model described in a file, so that it runs without code of its own (``docs/own-model.md``).

Closed on purpose: an unknown field is an error, and a field that is not understood is never
passed over.
"""

import math
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from healthvision.clinical.result import Code, Laterality, Text
from healthvision.domains.modelhub.ports import Budget, EvidenceRecord

FORMAT = "healthvision-model/1"
MAX_CLASSES = 255
_PAIRS = {"R": 2, "L": 2, "A": 1, "P": 1, "I": 0, "S": 0}
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_RESERVED = ("model.json", "model.yaml", "model.yml")

Triple = tuple[int, int, int]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Closed, frozen, without NaN; a text is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FileEngine(Strict):
    """A network in a file beside the description; it runs inside the sandbox.

    ``sha256`` of the weights is written when the model is added, and checked if it is given.
    """

    kind: Literal["onnx", "torchscript"]
    weights: str = Field(pattern=_FILE)
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _not_reserved(self) -> "FileEngine":
        if self.weights.lower().startswith(_RESERVED):
            raise ValueError(f"weights: {', '.join(_RESERVED)} are names of descriptions")
        return self


class TritonEngine(Strict):
    """A model of a Triton server (KServe v2 over HTTP); asked by the parent of the sandbox."""

    kind: Literal["triton"]
    url: str = Field(max_length=2000)
    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    model_version: str | None = Field(default=None, pattern=r"^[0-9]{1,9}$")
    input: str = Field(min_length=1, max_length=128)
    output: str = Field(min_length=1, max_length=128)


class HttpEngine(Strict):
    """A vendor's HTTP interface: an array is posted, an array comes back, both signed.

    ``secret_file``: absolute path of a file with the shared secret (24 bytes or more), readable
    for the worker.
    """

    kind: Literal["http"]
    url: str = Field(max_length=2000)
    secret_file: str = Field(pattern=r"^/.+$", max_length=1000)


EngineSpec = Annotated[FileEngine | TritonEngine | HttpEngine, Field(discriminator="kind")]


class Intensity(Strict):
    """What is done to the values: limit first, then scale.

    ``clip``: lowest and highest modality value kept (CT: HU). ``percentiles``: the same as
    shares of the image's own values, 0 to 100. ``scale``: 'none'; 'range' maps the limits (or the
    image's least and greatest value) to ``to``; 'zscore' takes mean and standard deviation of the
    image, of voxels other than zero only with ``nonzero``; 'fixed' subtracts ``mean`` and
    divides by ``sd``.
    """

    clip: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    scale: Literal["none", "range", "zscore", "fixed"] = "none"
    to: tuple[float, float] = (0.0, 1.0)
    nonzero: bool = False
    mean: float | None = None
    sd: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Intensity":
        if self.clip is not None and self.percentiles is not None:
            raise ValueError("intensity: give clip or percentiles, not both")
        for pair in (self.clip, self.percentiles, self.to):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError("intensity: the first of two limits must be the lower one")
        if self.percentiles is not None and not 0 <= self.percentiles[0] <= 100:
            raise ValueError("intensity: percentiles lie between 0 and 100")
        fixed = self.mean is not None and self.sd is not None
        if (self.scale == "fixed") != fixed or (self.sd is not None and self.sd <= 0):
            raise ValueError("intensity: mean and sd (above 0) belong to scale 'fixed'")
        return self


class InputSpec(Strict):
    """What the network is fed: float32 of shape (1, channels, axes...), or channels last.

    ``kind``: 'volume' has three axes, 'image' two (rows, columns). ``axes``: where each axis of
    a volume grows to, e.g. 'SPL' (head, back, left) or 'RAS'. ``spacing_mm`` in that order: the
    grid it was trained on. ``size``: the whole image is resized to it. ``window``: it sees the
    image in pieces of this size with ``overlap``. ``multiple_of``: sizes are padded to it.
    Resampling is linear; ``antialias`` smooths before it gets coarser, if training did so.
    """

    kind: Literal["volume", "image"]
    axes: str = "SPL"
    channels: Literal[1, 3] = 1
    channels_last: bool = False
    spacing_mm: tuple[float, ...] | None = None
    size: tuple[int, ...] | None = None
    window: tuple[int, ...] | None = None
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    antialias: bool = False
    multiple_of: Annotated[int, Field(ge=1, le=256)] = 1
    intensity: Intensity = Intensity()

    @property
    def dimensions(self) -> int:
        """Number of spatial axes."""
        return 3 if self.kind == "volume" else 2

    @model_validator(mode="after")
    def _fits_together(self) -> "InputSpec":
        if sorted(_PAIRS.get(letter, -1) for letter in self.axes) != [0, 1, 2]:
            raise ValueError("axes: three letters, one each of S/I, A/P and L/R, e.g. 'RAS'")
        for name in ("spacing_mm", "size", "window"):
            values = getattr(self, name)
            if values is not None and len(values) != self.dimensions:
                raise ValueError(f"{name}: {self.dimensions} numbers for a {self.kind}")
        if self.size is not None and (self.window is not None or self.spacing_mm is not None):
            raise ValueError("size goes without spacing_mm and window")
        if self.spacing_mm is not None and not all(0.05 <= s <= 50 for s in self.spacing_mm):
            raise ValueError("spacing_mm: between 0.05 and 50")
        for sizes in (self.size, self.window):
            if sizes is not None and not all(8 <= n <= 4096 for n in sizes):
                raise ValueError("size, window: between 8 and 4096")
            if sizes is not None and math.prod(sizes) > 1 << 27:
                raise ValueError("size, window: more than 134 million voxels")
        return self


class LabelSpec(Strict):
    """One class of a segmentation. ``channel``: of the output (0-based), or value of a label map.

    ``finding``: each connected piece is reported as a finding; else the class is an anatomical
    structure and only its volume is told. ``threshold`` is for sigmoid outputs.
    """

    channel: Annotated[int, Field(ge=0, le=1023)]
    code: Code
    label: Text
    finding: bool = False
    threshold: Share = 0.5
    laterality: Laterality | None = None
    colour: tuple[int, int, int] = (255, 165, 0)


class SegmentationOutput(Strict):
    """A map of the input's grid: one channel per class, or one channel of label values.

    ``activation``: 'softmax' and 'argmax' take the highest channel (channel 0 is background
    unless it is a class); 'sigmoid' takes each class by its threshold, 'probability' is a sigmoid
    that the network has done itself; 'labels' is a finished label map.
    """

    kind: Literal["segmentation"]
    activation: Literal["softmax", "argmax", "sigmoid", "probability", "labels"]
    labels: tuple[LabelSpec, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    channels: Annotated[int, Field(ge=1, le=1024)]
    least_ml: Annotated[float, Field(ge=0)] = 0.0  # smaller pieces are no findings
    most_findings: Annotated[int, Field(ge=1, le=50)] = 10


class ClassSpec(Strict):
    """One class of a classification; ``finding``: told as one when it is above the threshold."""

    channel: Annotated[int, Field(ge=0, le=1023)]
    code: Code
    label: Text
    threshold: Share = 0.5
    finding: bool = True


class ClassificationOutput(Strict):
    """One score per class; ``activation`` says what is done to what the network gives."""

    kind: Literal["classification"]
    activation: Literal["softmax", "sigmoid", "probability"]
    classes: tuple[ClassSpec, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    channels: Annotated[int, Field(ge=1, le=1024)]


class QuantitySpec(Strict):
    """One number: value = raw * scale + offset. Outside ``plausible`` nothing is told."""

    channel: Annotated[int, Field(ge=0, le=1023)]
    code: Code
    label: Text
    unit: str = Field(min_length=1, max_length=32)  # UCUM
    scale: float = 1.0
    offset: float = 0.0
    plausible: tuple[float, float]


class RegressionOutput(Strict):
    """Numbers for the whole image."""

    kind: Literal["regression"]
    quantities: tuple[QuantitySpec, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    channels: Annotated[int, Field(ge=1, le=1024)]


OutputSpec = Annotated[
    SegmentationOutput | ClassificationOutput | RegressionOutput, Field(discriminator="kind")
]


class ModelDescription(Strict):
    """A model with all that is needed to run it and to say honestly what it is."""

    format: Literal["healthvision-model/1"]
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,62}$")
    version: str = Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")
    title: Text
    description: Text
    intended_use: Text
    limitations: tuple[Text, ...] = Field(min_length=1)
    licence: str = Field(min_length=1, max_length=200)  # of the weights
    commercial_use: bool
    accepts: str = Field(min_length=1, max_length=2000)  # CEL over series attributes
    body_parts: tuple[str, ...] = ()
    engine: EngineSpec
    input: InputSpec
    output: OutputSpec
    evidence: tuple[EvidenceRecord, ...] = ()
    budget: Budget = Budget()
    source: str | None = Field(default=None, max_length=500)  # where it comes from

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelDescription":
        channels = [item.channel for item in self._items()]
        if len(set(channels)) != len(channels):
            raise ValueError("output: two entries share a channel")
        output = self.output
        counted = not (isinstance(output, SegmentationOutput) and output.activation == "labels")
        if counted and max(channels) >= output.channels:
            raise ValueError("output: a channel above the number of channels")
        if not counted and self.input.window is not None:
            raise ValueError("output: a finished label map goes without a window")
        if not isinstance(output, SegmentationOutput) and self.input.window is not None:
            raise ValueError("input: a window goes with a segmentation only; give a size")
        if self.budget.memory_mb > 65536 or self.budget.wall_seconds > 1800:
            raise ValueError("budget: at most 65536 MB and 1800 s")
        if re.search(r"\.\.|[-.+]$", self.version):
            raise ValueError("version: e.g. '1.0.0'")
        return self

    def _items(self) -> "tuple[LabelSpec, ...] | tuple[ClassSpec, ...] | tuple[QuantitySpec, ...]":
        if isinstance(self.output, SegmentationOutput):
            return self.output.labels
        if isinstance(self.output, ClassificationOutput):
            return self.output.classes
        return self.output.quantities

    def codes(self) -> tuple[Code, ...]:
        """Return the codes of everything it can tell."""
        return tuple(item.code for item in self._items())

    @property
    def file(self) -> FileEngine | None:
        """The network's file; None when a server runs it."""
        return self.engine if isinstance(self.engine, FileEngine) else None


def axis_of(letter: str) -> int:
    """Return which axis of an axially ordered volume (z, y, x) a letter such as 'R' is."""
    return _PAIRS[letter]
