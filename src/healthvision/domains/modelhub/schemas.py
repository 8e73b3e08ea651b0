# SPDX-License-Identifier: Apache-2.0
"""What callers see of the installed applications."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from healthvision.clinical.result import Code, EvidenceLevel, Text
from healthvision.domains.modelhub.ports import Budget, EvidenceRecord
from healthvision.kernel.schemas import Input, Read


class WeightsRead(Read):
    """One weights file: its digest and what its licence allows."""

    sha256: str
    licence: str
    commercial_use: bool


class ModelRead(Read):
    """An application as the organisation may use it."""

    id: str
    version: str = Field(description="The version that runs for this organisation.")
    versions: list[str] = Field(description="Installed versions, newest first.")
    pinned_version: str | None
    enabled: bool
    title: Text
    description: Text
    intended_use: Text
    limitations: list[Text]
    accepts: str = Field(description="CEL condition over series attributes.")
    body_parts: list[str]
    outputs: list[Code]
    evidence_level: EvidenceLevel
    evidence: list[EvidenceRecord]
    licence: str
    weights: list[WeightsRead]
    weights_sha256: str | None
    budget: Budget


class BrokenRead(Read):
    """An application that is installed and cannot be used."""

    name: str
    reason: str


class ModelList(Read):
    """All installed applications."""

    items: list[ModelRead]
    broken: list[BrokenRead]


class ModelChange(Input):
    """What an administrator may change; absent fields stay as they are.

    ``pinned_version`` null lets the newest version run again.
    """

    enabled: bool | None = None
    pinned_version: str | None = Field(default=None, max_length=64)


class AdditionCreate(Input):
    """A model that is to be brought: a zip of its folder, announced before it is sent."""

    size: int = Field(gt=0, description="Exact size of the zip in bytes.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the zip, in hex.")


class AdditionProblem(Read):
    """Why a model was refused: ``code`` and ``reason`` are stable words."""

    code: str
    reason: str | None
    detail: str


class TrialRead(Read):
    """What the dry run on a phantom gave. ``labels``: voxels by segment of the overlay."""

    findings: list[str]
    measurements: list[str]
    labels: dict[str, int]
    wall_s: float
    peak_memory_mb: int
    repeatable: bool = Field(description="The same image gave the same answer twice.")
    responds: bool = Field(description="An empty image gave another answer.")


AdditionState = Literal["waiting", "received", "checking", "added", "refused"]


class AdditionRead(Read):
    """A model on its way in. Once it is 'added' every process serves it."""

    id: UUID
    state: AdditionState
    size: int
    sha256: str
    created_at: datetime
    expires_at: datetime = Field(description="Until then the package has to be sent.")
    finished_at: datetime | None
    package_path: str = Field(description="PUT the zip here, as application/zip.")
    model_id: str | None
    version: str | None
    problem: AdditionProblem | None
    trial: TrialRead | None


class RetiredVersion(Read):
    """One version that was taken out of use; its results and files stay."""

    id: str
    version: str


class RetiredModel(Read):
    """What was taken out of use."""

    retired: list[RetiredVersion]
