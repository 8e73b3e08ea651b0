# SPDX-License-Identifier: Apache-2.0
"""The Application port: what a plugin is and what it is given."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import Field

from healthvision.clinical.result import Code, EvidenceLevel, Text, Value
from healthvision.clinical.study import ApplicationOutput, SeriesHeader, SeriesImage
from healthvision.clinical.volume import Array


class Weights(Value):
    """One weights file with its digest and licence."""

    path: str
    sha256: str
    licence: str
    commercial_use: bool


class EvidenceRecord(Value):
    """One measured claim: metric on data, with n and interval. Cards are made from these."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    data: str  # data id, or 'phantom seeds 100-119'
    level: EvidenceLevel
    command: str  # repeats the measurement
    findings: tuple[str, ...] = ()  # codes of the findings it speaks for; none named: of all


class Budget(Value):
    """Resources one run may use; the sandbox enforces them."""

    memory_mb: int = 3072
    cpu_seconds: int = 240
    wall_seconds: int = 180
    threads: int = 2
    gpu: bool = False


_LARGEST = sys.float_info.max
_LEAST = -_LARGEST  # beyond them, and no number at all: not finite
_READ: Mapping[str, Callable[[str], str | int | float]] = {
    "integer": int,
    "number": float,
    "text": str,
}


class Parameter(Value):
    """Something the caller of an analysis may state, and which values it can have."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    kind: Literal["integer", "number", "text"]
    title: Text
    choices: tuple[str, ...] = ()  # of a text; none: any text
    low: float | None = None
    high: float | None = None

    def parse(self, text: str) -> str | int | float:
        """Return a value from what was typed; ValueError with the values that are possible."""
        if self.kind != "text" and "_" in text:  # Python reads 1_0 as 10
            raise ValueError(self.possible)
        try:
            value: str | int | float = _READ[self.kind](text.strip())
        except ValueError:
            raise ValueError(self.possible) from None
        return self.check(value)

    def check(self, value: object) -> str | int | float:
        """Return a value that was stated as JSON, a choice in capitals; ValueError as ``parse``."""
        if self.kind == "text" and isinstance(value, str):
            text = value.strip().upper() if self.choices else value
            if not self.choices or text in self.choices:
                return text
        elif self.kind != "text" and isinstance(value, int | float) and not isinstance(value, bool):
            low = -math.inf if self.low is None else self.low
            high = math.inf if self.high is None else self.high
            whole = self.kind == "number" or isinstance(value, int)
            if whole and _LEAST <= value <= _LARGEST and low <= value <= high:
                return value
        raise ValueError(self.possible)

    @property
    def possible(self) -> str:
        """Say which values there are, e.g. 'PA or AP', 'a whole number from 0 to 130'."""
        if self.choices:
            return " or ".join(self.choices)
        kind = {"integer": "a whole number", "number": "a number", "text": "a text"}[self.kind]
        if self.low is None or self.high is None:
            return kind
        return f"{kind} from {self.low:g} to {self.high:g}"


class Manifest(Value):
    """What an application is, before it runs; CLI, API, card and rules all read it."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,62}$")
    version: str
    title: Text
    description: Text
    accepts: str  # CEL over series attributes, e.g. "Modality == 'CT' && instance_count >= 20"
    body_parts: tuple[str, ...] = ()
    outputs: tuple[Code, ...] = ()
    intended_use: Text
    limitations: tuple[Text, ...] = ()
    evidence_level: EvidenceLevel
    evidence: tuple[EvidenceRecord, ...] = ()
    weights: tuple[Weights, ...] = ()
    licence: str = "Apache-2.0"
    budget: Budget = Budget()
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Material:
    """What an application that is made from a description is given, besides the images.

    ``description``: JSON text. ``engine``: 'module:attribute' of what runs its network, '' when a
    server does. ``read(name)`` gives the bytes of one of its files; KeyError when there is none.
    """

    description: str
    engine: str
    read: Callable[[str], bytes]


@dataclass(frozen=True, eq=False, slots=True)
class StudyInput:
    """The study as the application sees it: headers of all series, voxels on demand.

    ``load(series_uid)`` raises ``ValueError`` when the series is no volume.
    """

    series: Sequence[SeriesHeader]
    load: Callable[[str], SeriesImage]


@dataclass(frozen=True, slots=True)
class Context:
    """What a run is given besides the images."""

    seed: int
    progress: Callable[[float, str], None]  # (0..1, stage id such as 'lungs')
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    infer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    """Ask an engine in the parent by name; values are JSON or arrays (numpy). Raises RuntimeError
    with a stable word: 'engine-not-found', 'timeout', 'answer-too-large', 'closed'."""


@dataclass(slots=True)
class Stages:
    """Progress and seconds per stage of one run."""

    context: Context
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def done(self, share: float, stage: str) -> None:
        """Note that a stage is over; ``share``: of the whole run, 0..1."""
        now = time.monotonic()
        self.seconds[stage] = round(now - self._last, 3)
        self._last = now
        self.context.progress(share, stage)


class Engine(Protocol):
    """Runs networks outside the sandbox, e.g. on a GPU server; it never learns whose images.

    Called from a thread of the parent; raises a Problem, whose code the application gets.
    """

    @property
    def name(self) -> str:
        """Give the name applications ask for."""
        ...

    def infer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request; values are JSON or arrays."""
        ...


class BadNetwork(ValueError):
    """A network cannot be used as it is described; the text says why, in one sentence."""


class Network(Protocol):
    """A loaded network. Lives inside the sandbox."""

    def run(self, batch: Array) -> Array:
        """Answer float32 (1, channels, axes...) with an array; raises BadNetwork."""
        ...


class FileRunner(Protocol):
    """Loads networks from files. Found through the entry point group ``healthvision.engines``."""

    def missing(self) -> str:
        """Say what has to be installed before it can work; '' when nothing is missing."""
        ...

    def open(self, weights: bytes, threads: int) -> Network:
        """Load a network; raises BadNetwork. Called inside the sandbox only: it may be hostile."""
        ...


class Application(Protocol):
    """An analysis application. Found through the entry point group ``healthvision.applications``.

    ``run`` never raises for bad images: it abstains. An exception is a bug and fails the task.
    """

    @property
    def manifest(self) -> Manifest:
        """Describe the application."""
        ...

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse one study."""
        ...
