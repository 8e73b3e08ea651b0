# SPDX-License-Identifier: Apache-2.0
"""Taking a model in: checked, tried in the sandbox, stored under its id and version."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.errors import (
    ApplicationNotFound,
    EngineMissing,
    ModelExists,
    ModelRefused,
)
from healthvision.domains.modelhub.reading import Proposal, read
from healthvision.domains.modelhub.registry import ENGINES, GROUP, MAKERS
from healthvision.domains.modelhub.shelf import Entry, Shelf
from healthvision.kernel import plugins, sandbox
from healthvision.kernel.sandbox_asking import Values
from healthvision.kernel.sandbox_desk import Answerer


@dataclass(frozen=True, slots=True)
class Trial:
    """What the dry run on a phantom gave. ``labels``: voxels by segment of the overlay.

    ``repeatable``: the same answer twice. ``responds``: another answer for an empty image.
    """

    findings: tuple[str, ...]
    measurements: tuple[str, ...]
    labels: dict[str, int]
    stages_s: dict[str, float]
    wall_s: float
    peak_memory_mb: int
    repeatable: bool
    responds: bool


def check(path: Path) -> tuple[Proposal, Trial]:
    """Read a model and try it, without storing anything.

    Raises what ``reading.read`` and ``try_out`` raise, and ModelExists when its id is that of a
    built-in application.
    """
    proposal = proposed(path)
    return proposal, try_out(proposal)


def proposed(path: Path) -> Proposal:
    """Read a model; raises as ``check`` does, except of the trial."""
    proposal = read(path)
    if proposal.description.id in plugins.names(GROUP):
        raise ModelExists(f"{proposal.description.id} is the id of a built-in application")
    return proposal


def remove(shelf: Shelf, model_id: str, version: str | None) -> list[Entry]:
    """Take an added model (or one version) out of use; ApplicationNotFound when there is none."""
    in_use(shelf, model_id, version)
    return shelf.retire(model_id, version)


def in_use(shelf: Shelf, model_id: str, version: str | None) -> list[Entry]:
    """Return the versions of an added model in use; ApplicationNotFound when there is none."""
    found = shelf.active(model_id, version)
    if not found:
        wanted = model_id if version is None else f"{model_id} {version}"
        raise ApplicationNotFound(f"no added model {wanted[:100]!r} is in use")
    return found


def try_out(proposal: Proposal, cancelled: Callable[[], bool] | None = None) -> Trial:
    """Run the model on a phantom, as it will run: in the sandbox, within its budget.

    ``cancelled`` is asked some ten times a second. Raises EngineMissing, ModelRefused (with the
    reason), SandboxFailed, SandboxUnavailable.
    """
    description = proposal.description
    file = description.file
    engine = "" if file is None else plugins.target(ENGINES, file.kind)
    if file is not None and (missing := plugins.load(ENGINES, file.kind).missing()):
        raise EngineMissing(missing)
    budget = description.budget
    limits = sandbox.Limits(
        memory_mb=budget.memory_mb,
        cpu_seconds=budget.cpu_seconds,
        wall_seconds=budget.wall_seconds,
        threads=budget.threads,
    )
    weights = proposal.weights
    with sandbox.Bundle(0 if weights is None else weights.stat().st_size) as bundle:
        files = {} if weights is None else {weights.name: _put(bundle, weights)}
        request: dict[str, Any] = {
            "description": description.model_dump_json(),
            "engine": engine,
            "files": files,
            "infer": file is None,
        }
        asked = None if file is not None else asking(description)
        target = plugins.target(MAKERS, "trial")
        outcome = sandbox.run(
            target, request, bundle, limits=limits, answerer=asked, cancelled=cancelled
        )
    return _judged(outcome)


def _put(bundle: sandbox.Bundle, weights: Path) -> int:
    """Put the weights into a bundle; when it returns they are in memory no longer."""
    return bundle.add(weights.name, weights.read_bytes())


def asking(description: ModelDescription) -> Answerer:
    """Return what answers the questions of a model that runs on a server, before it is stored."""

    def ask(_name: str, values: Values) -> Values:
        made: Callable[[Any], Any] = plugins.load(ENGINES, description.engine.kind)
        answer: Values = made(description.engine).infer(values)
        return answer

    return ask


def _judged(outcome: sandbox.SandboxOutcome) -> Trial:
    said = outcome.answer
    if said["refused"] is not None:
        raise ModelRefused(str(said["refused"])[:500])
    return Trial(
        findings=tuple(said["findings"]),
        measurements=tuple(said["measurements"]),
        labels=said["labels"],
        stages_s=said["stages"],
        wall_s=outcome.wall_s,
        peak_memory_mb=outcome.peak_memory_mb,
        repeatable=said["repeatable"],
        responds=said["responds"],
    )
