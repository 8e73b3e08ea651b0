# SPDX-License-Identifier: Apache-2.0
"""What callers see of the installed applications."""

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
