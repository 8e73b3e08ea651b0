# SPDX-License-Identifier: Apache-2.0
"""Which series a described model reads, and whether it may."""

from dataclasses import dataclass

from healthvision.clinical.result import ChosenSeries, Gate, GateOutcome, Text
from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.modelhub.description import InputSpec, ModelDescription
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.matching import accepted
from healthvision.domains.modelhub.ports import StudyInput
from healthvision.plugins.applications.described.words import both, gate

LEAST_SLICES = 3
_USUAL = frozenset({"projection", "inverted", "single-slice"})  # of single pictures
_COARSER = 3.0  # times the spacing the network was made for, above which a warning is due


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """The series to read, or None; why the others were not taken."""

    image: SeriesImage | None
    chosen: ChosenSeries | None
    rejected: tuple[tuple[str, Text], ...]


def choose(study: StudyInput, description: ModelDescription, wanted: str | None) -> Choice:
    """Return the accepted series with most images that can be loaded; ``wanted`` insists on one."""
    fits = accepted(manifest_of(description), study.series)
    fits = [h for h in fits if wanted in (None, h.series_uid)]
    rejected = [
        (h.series_uid, both("不符合模型的适用条件", "does not meet the model's condition"))
        for h in study.series
        if h not in fits
    ]
    for header in sorted(fits, key=lambda h: (-h.instance_count, h.series_uid)):
        try:
            image = study.load(header.series_uid)
        except ValueError as error:
            why = str(error)[:200]
            rejected.append(
                (header.series_uid, both(f"无法读取（{why}）", f"not readable ({why})"))
            )
            continue
        why_not = _wrong_dimensions(image, description.input)
        if why_not is not None:
            rejected.append((header.series_uid, why_not))
            continue
        return Choice(image, _chosen(header, rejected), tuple(rejected))
    return Choice(None, None, tuple(rejected))


def _chosen(header: SeriesHeader, rejected: list[tuple[str, Text]]) -> ChosenSeries:
    return ChosenSeries(
        series_uid=header.series_uid,
        frame_of_reference_uid=header.frame_of_reference_uid,
        modality=header.modality,
        description=header.description,
        reason=both(
            "符合模型适用条件的序列中影像最多", "most images among those that fit the model"
        ),
        rejected=tuple(rejected),
    )


def _wrong_dimensions(image: SeriesImage, spec: InputSpec) -> Text | None:
    slices = image.volume.shape[0]
    if spec.kind == "image" and slices != 1:
        return both(
            f"有{slices}个层面，模型读取单幅影像", f"{slices} slices; the model reads one image"
        )
    if spec.kind == "volume" and slices < LEAST_SLICES:
        return both(f"仅{slices}个层面，模型读取容积", f"{slices} slices; the model reads a volume")
    return None


def gates_of(image: SeriesImage, spec: InputSpec) -> list[Gate]:
    """Return what was looked at before the network is asked."""
    out = [
        gate(
            "input",
            GateOutcome.PASSED,
            both("模态与维度符合模型要求", "Modality and dimensions are what the model asks for"),
        )
    ]
    for note in image.notes:
        usual = spec.kind == "image" and note.id in _USUAL
        outcome = GateOutcome.PASSED if usual else GateOutcome.WARNING
        out.append(gate(f"geometry-{note.id}", outcome, note.text, note.value))
    if spec.kind == "volume" and spec.spacing_mm is not None:
        out.append(_spacing_gate(image, spec))
    return out


def _spacing_gate(image: SeriesImage, spec: InputSpec) -> Gate:
    assert spec.spacing_mm is not None
    have = max(image.volume.spacing)
    want = max(spec.spacing_mm)
    if have <= _COARSER * want:
        return gate("spacing", GateOutcome.PASSED, both("层间距足够细", "Fine enough"), have)
    return gate(
        "spacing",
        GateOutcome.WARNING,
        both(
            f"影像间距{have:.1f} mm，模型按{want:.1f} mm训练，结果可能不可靠",
            f"The image has {have:.1f} mm between samples, the model was made for {want:.1f} mm: "
            "the result may be wrong",
        ),
        have,
        both("请发送较薄层的序列", "Send a series of thinner slices"),
    )
