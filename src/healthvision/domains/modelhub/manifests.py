# SPDX-License-Identifier: Apache-2.0
"""The manifest of a described model: what it says of itself, and what must be said about it."""

from healthvision.clinical.result import EvidenceLevel, Text
from healthvision.domains.modelhub.description import ModelDescription, RegressionOutput
from healthvision.domains.modelhub.ports import EvidenceRecord, Manifest, Parameter, Weights

LEVEL = EvidenceLevel.NONE  # whatever a model says of itself, nothing was measured here
SERIES = Parameter(
    name="series_uid", kind="text", title=Text(zh="只分析此序列", en="the series to analyse")
)
NOT_MEASURED = Text(
    zh="本模型由用户添加，未在此测量其准确性。",
    en="This model was brought by the user; its accuracy was not measured here.",
)
SUPPLIED = Text(
    zh="证据中的数值为模型提供者所述，未在此核实。",
    en="The figures of its evidence are as its supplier states; they were not checked here.",
)
NOT_CALIBRATED = Text(
    zh="模型分数为原始分数，未经校准，不是概率。",
    en="Its scores are raw scores, not calibrated, and no probabilities.",
)
ELSEWHERE = Text(
    zh="影像体素（不含任何标识）发送至外部推理服务器；无法证明该服务器使用的权重。",
    en="Voxels (without any identifier) go to an inference server; which weights that server uses "
    "cannot be proven.",
)


def stated(record: EvidenceRecord) -> EvidenceRecord:
    """Return a supplier's record as what it is: a statement, of no level here."""
    claimed = "" if record.level is EvidenceLevel.NONE else f" ({record.level.value})"
    data = f"as its supplier states{claimed} / 据提供者所述: {record.data}"
    return record.model_copy(update={"data": data, "level": EvidenceLevel.NONE})


def limitations_of(description: ModelDescription) -> tuple[Text, ...]:
    """Return the limits: those of the description and those of every added model."""
    said = [*description.limitations, NOT_MEASURED]
    if description.evidence:
        said.append(SUPPLIED)
    if not isinstance(description.output, RegressionOutput):
        said.append(NOT_CALIBRATED)
    if description.file is None:
        said.append(ELSEWHERE)
    return tuple(said)


def manifest_of(description: ModelDescription) -> Manifest:
    """Return the manifest under which a described model is listed and runs."""
    file = description.file
    weights: tuple[Weights, ...] = ()
    if file is not None:
        weights = (
            Weights(
                path=file.weights,
                sha256=file.sha256 or "0" * 64,
                licence=description.licence,
                commercial_use=description.commercial_use,
            ),
        )
    return Manifest(
        id=description.id,
        version=description.version,
        title=description.title,
        description=description.description,
        accepts=description.accepts,
        body_parts=description.body_parts,
        outputs=description.codes(),
        intended_use=description.intended_use,
        limitations=limitations_of(description),
        evidence_level=LEVEL,
        evidence=tuple(stated(record) for record in description.evidence),
        weights=weights,
        licence=description.licence,
        budget=description.budget,
        parameters=(SERIES,),
    )
