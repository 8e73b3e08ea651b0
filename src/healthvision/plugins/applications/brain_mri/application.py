# SPDX-License-Identifier: Apache-2.0
"""brain-mri: from a study to brain, tissues, ventricles, asymmetry, spots, atypical regions."""

from collections.abc import Mapping, Sequence

import numpy as np

from healthvision.clinical.brain.pipeline import HeadReading, NotRead, grow_lesion, read_head
from healthvision.clinical.chest.grid import block_mean
from healthvision.clinical.result import (
    EvidenceLevel,
    ExplicitNegative,
    Gate,
    GateOutcome,
    Measurement,
    Text,
)
from healthvision.clinical.study import (
    ApplicationOutput,
    KeyImage,
    Segment,
    Segmentation,
    SeriesImage,
)
from healthvision.clinical.volume import BoolArray
from healthvision.domains.modelhub.ports import Context, Manifest, Stages, StudyInput
from healthvision.plugins.applications.brain_mri import checks, findings, words
from healthvision.plugins.applications.brain_mri.drawing import COLOURS, full_size, key_image
from healthvision.plugins.applications.brain_mri.findings import Drawn
from healthvision.plugins.applications.brain_mri.manifest import LIMITATIONS, MANIFEST
from healthvision.plugins.applications.brain_mri.series import Choice, choose

_VOLUME_ERROR = {"T1": 0.04, "T2": 0.06, "FLAIR": 0.10}  # shares, from phantoms, rounded up
_MOST_REGIONS = 4


class BrainMri:
    """The application ``brain-mri``; see its manifest.

    Parameters: ``series_uid`` insists on a series; ``lesion_x``, ``lesion_y``, ``lesion_z`` (LPS
    mm) are the doctor's mark from which a lesion is grown.
    """

    @property
    def manifest(self) -> Manifest:
        """Describe the application."""
        return MANIFEST

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse the best head series of a study; abstains with a reason when it may not."""
        clock = Stages(context)
        wanted = context.parameters.get("series_uid")
        choice = choose(study, None if wanted is None else str(wanted))
        clock.done(0.1, "load")
        if choice.image is None:
            zh = "；".join(f"{uid}：{w.zh}" for uid, w in choice.rejected) or "无序列"
            en = "; ".join(f"{uid}: {w.en}" for uid, w in choice.rejected) or "no series"
            why = Text(zh=f"没有适合的脑部MR序列（{zh}）", en=f"No suitable brain MR series ({en})")
            return _abstain(choice, [], why, clock)
        return _analyse(choice, choice.image, context, clock)


def _abstain(choice: Choice, gates: list[Gate], why: Text, clock: Stages) -> ApplicationOutput:
    clock.done(1.0, "done")
    return ApplicationOutput(
        chosen=choice.chosen,
        gates=tuple(gates),
        findings=(),
        measurements=(),
        negatives=(),
        summary=Text(zh=f"不予判断：{why.zh}", en=f"Abstained: {why.en}"),
        limitations=LIMITATIONS,
        segmentation=None,
        key_images=(),
        abstained=why,
        stages_s=clock.seconds,
    )


def _analyse(
    choice: Choice, image: SeriesImage, context: Context, clock: Stages
) -> ApplicationOutput:
    gates = [
        checks.slice_gate(image),
        checks.coverage_gate(image),
        checks.contrast_agent_gate(image),
        *checks.geometry_gates(image),
    ]
    why = checks.failed(gates)
    if why is not None:
        return _abstain(choice, gates, why, clock)
    reading = read_head(image.volume, image.header, progress=clock.done)
    if isinstance(reading, NotRead):
        why = Text(zh="未找到完整的脑", en="No whole brain was found")
        return _abstain(choice, gates, why, clock)
    gates += [checks.sequence_gate(reading), *checks.brain_gates(reading)]
    if reading.sequence.contrast is not None and reading.tissues is None:
        gates.append(_no_tissues())
    why = checks.failed(gates)
    if why is not None:
        return _abstain(choice, gates, why, clock)
    drawn = _draw(image, reading, _mark(context.parameters))
    output = _output(choice, image, reading, gates, drawn)
    clock.done(1.0, "outputs")
    output.stages_s.update(clock.seconds)
    return output


def _no_tissues() -> Gate:
    return Gate(
        id="tissues",
        outcome=GateOutcome.FAILED,
        value=None,
        reason=Text(zh="三种组织无法区分", en="three tissues cannot be told apart"),
        remedy=Text(zh="请发送对比更好的序列", en="Send a series of better contrast"),
    )


def _mark(parameters: Mapping[str, str | int | float | bool]) -> tuple[float, float, float] | None:
    """Return the doctor's mark (LPS mm), None when it is absent or no three numbers."""
    try:
        x, y, z = (float(parameters[f"lesion_{axis}"]) for axis in "xyz")
    except (KeyError, ValueError):
        return None
    return (x, y, z) if bool(np.isfinite([x, y, z]).all()) else None


def _draw(
    image: SeriesImage, reading: HeadReading, mark: tuple[float, float, float] | None
) -> list[Drawn]:
    """Return all findings; the brain is segment 1, the ventricles 2, findings from 3 on."""
    drawn: list[Drawn] = []
    if reading.ventricles is not None:
        wide = findings.ventricle_finding(image, reading, reading.ventricles, 2)
        drawn += [] if wide is None else [wide]
    if reading.hyperintensities is not None:
        spots = findings.spots_finding(image, reading, reading.hyperintensities, 3)
        drawn += [] if spots is None else [spots]
    number = 3 + sum(d.type == words.HYPERINTENSITY for d in drawn)
    for i, region in enumerate(reading.atypical[:_MOST_REGIONS], start=1):
        drawn.append(findings.atypical_finding(image, reading, region, i, number))
        number += 1
    grown = None if mark is None else grow_lesion(reading.scan.oriented.volume, mark)
    if grown is not None:
        scan = reading.scan
        share = block_mean(scan.oriented.volume.like(grown.mask.astype(np.float32)), scan.factors)
        mask: BoolArray = share.voxels > min(0.5, float(share.voxels.max()) / 2)
        drawn.append(findings.grown_finding(image, reading, grown, mask, number))
    return drawn


def _output(
    choice: Choice,
    image: SeriesImage,
    reading: HeadReading,
    gates: Sequence[Gate],
    drawn: Sequence[Drawn],
) -> ApplicationOutput:
    return ApplicationOutput(
        chosen=choice.chosen,
        gates=tuple(gates),
        findings=tuple(d.finding for d in drawn),
        measurements=_measurements(reading),
        negatives=tuple(_negatives(reading, drawn)),
        summary=_summary(reading, gates, drawn),
        limitations=LIMITATIONS,
        segmentation=_segmentation(image, reading, drawn),
        key_images=tuple(d.key for d in drawn) or (_overview(reading),),
    )


def _measurements(reading: HeadReading) -> tuple[Measurement, ...]:
    tissues, contrast = reading.tissues, reading.sequence.contrast
    if tissues is None or contrast is None:
        return ()
    share = _VOLUME_ERROR[contrast]
    method = f"{contrast}: N4, three normal classes, neighbourhood prior, partial volume"
    volumes = {
        "intracranial": tissues.intracranial_ml,
        "brain": tissues.brain_ml,
        "fluid": tissues.fluid_ml,
    }
    if contrast != "FLAIR":  # grey and white are too alike there: 23 % error seen on a phantom
        volumes |= {"grey": tissues.grey_ml, "white": tissues.white_ml}
    if reading.ventricles is not None:
        volumes["ventricles"] = reading.ventricles.ml
    out = []
    for name, ml in volumes.items():
        error = 3 * share if name == "ventricles" else share
        limits = (ml * (1 - error), ml * (1 + error))
        out.append(words.measurement(name, ml, "mL", method, limits, digits=0))
        if name != "intracranial":
            percent = 100 * ml / tissues.intracranial_ml
            out.append(words.measurement(f"{name}-share", percent, "%", method))
    if reading.ventricles is not None and reading.ventricles.evans is not None:
        out += findings.evans_measurements(reading.ventricles.evans)
    how = "2 (L - R) / (L + R) about the plane of best mirror correlation"
    told = {k: v for k, v in reading.asymmetries.items() if k == "brain" or contrast != "FLAIR"}
    for name, sides in told.items():
        out.append(words.measurement(f"asymmetry-{name}", 100 * sides.index, "%", how))
    return tuple(out)


def _segmentation(image: SeriesImage, reading: HeadReading, drawn: Sequence[Drawn]) -> Segmentation:
    """Return the label map in the geometry of the series: brain, ventricles, each finding."""
    labels = np.zeros(reading.scan.oriented.volume.shape, np.uint8)
    labels[full_size(reading.scan, reading.brain.mask)] = 1
    segments = [
        Segment(1, "Brain", Text(zh="脑", en="Brain"), words.ANATOMY, words.BRAIN,
                colour=(90, 200, 255)),
        Segment(2, "Ventricles", Text(zh="脑室", en="Ventricles"), words.ANATOMY,
                words.VENTRICLE, colour=(80, 120, 255)),
    ]  # fmt: skip
    if reading.ventricles is not None:
        labels[full_size(reading.scan, reading.ventricles.mask)] = 2
    for d in drawn:
        overlay = d.finding.explanation.overlay
        if overlay is None or overlay.segment is None or overlay.segment == 2:
            continue
        labels[full_size(reading.scan, d.mask)] = overlay.segment
        segments.append(
            Segment(
                overlay.segment,
                d.finding.tracking_id,
                d.finding.label,
                words.ABNORMAL,
                d.type,
                d.finding.location.laterality,
                d.finding.tracking_id,
                d.finding.tracking_uid,
                COLOURS[overlay.segment % len(COLOURS)],
            )
        )
    return Segmentation(image.volume.like(reading.scan.oriented.back(labels)), tuple(segments))


def _overview(reading: HeadReading) -> KeyImage:
    """Return a section with the outline of brain and ventricles, for results without a finding."""
    section = int(np.argmax(reading.brain.mask.sum(axis=(1, 2))))
    lines = ()
    masks = [reading.brain.mask]
    if reading.ventricles is not None:
        masks.append(reading.ventricles.mask)
        if reading.ventricles.evans is not None:
            section = reading.ventricles.evans.section
            return key_image(
                reading.scan,
                section,
                tuple(masks),
                "key-brain",
                Text(zh="脑与脑室轮廓", en="Outline of brain and ventricles"),
                lines=findings.evans_lines(reading.ventricles.evans),
            )
    caption = Text(zh="脑轮廓", en="Outline of the brain")
    return key_image(reading.scan, section, tuple(masks), "key-brain", caption, lines=lines)


def _negatives(reading: HeadReading, drawn: Sequence[Drawn]) -> list[ExplicitNegative]:
    out = []
    if not reading.atypical:
        out.append(
            ExplicitNegative(
                code=words.ATYPICAL,
                label=Text(zh="未见左右明显不同的区域", en="No region unlike the other side"),
                detection_limit=Text(
                    zh="约2 cm及以上的单侧病灶；双侧或小病灶可漏检",
                    en="One-sided lesions from about 2 cm; small or two-sided ones are missed",
                ),
                evidence_level=EvidenceLevel.E1,
            )
        )
    spots = reading.hyperintensities
    if spots is not None and spots.count == 0:
        out.append(
            ExplicitNegative(
                code=words.HYPERINTENSITY,
                label=Text(zh="未见白质高信号", en="No white matter hyperintensities found"),
                detection_limit=Text(
                    zh="体积12 mm3及以上且距颅骨内板9 mm以上",
                    en="12 mm3 and more, 9 mm or more within the skull",
                ),
                evidence_level=EvidenceLevel.E1,
            )
        )
    return out


def _summary(reading: HeadReading, gates: Sequence[Gate], drawn: Sequence[Drawn]) -> Text:
    zh, en = [], []
    tissues = reading.tissues
    if tissues is not None:
        share = 100 * tissues.brain_ml / tissues.intracranial_ml
        zh.append(f"颅内容积{tissues.intracranial_ml:.0f} mL，脑实质占{share:.0f}%。")
        en.append(f"Intracranial volume {tissues.intracranial_ml:.0f} mL, brain {share:.0f} %.")
    if reading.ventricles is not None and reading.ventricles.evans is not None:
        zh.append(f"Evans指数{reading.ventricles.evans.value:.2f}。")
        en.append(f"Evans index {reading.ventricles.evans.value:.2f}.")
    if drawn:
        zh.append("AI所见：" + "；".join(d.finding.label.zh for d in drawn) + "。")
        en.append("AI findings: " + "; ".join(d.finding.label.en for d in drawn) + ".")
    else:
        zh.append("未标出异常区域。")
        en.append("No region was marked.")
    for gate in gates:
        if gate.outcome is not GateOutcome.PASSED:
            zh.append(f"注意：{gate.reason.zh}。")
            en.append(f"Warning: {gate.reason.en}.")
    return Text(zh="".join(zh), en=" ".join(en))


APPLICATION = BrainMri()
