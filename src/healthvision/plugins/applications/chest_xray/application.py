# SPDX-License-Identifier: Apache-2.0
"""chest-xray: from a film to lung fields, heart, opacities and the children's classifier."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from healthvision.clinical.radiograph.film import Turn, turn_of
from healthvision.clinical.radiograph.frame import Frame, fit
from healthvision.clinical.radiograph.heart import Heart, measure_heart
from healthvision.clinical.radiograph.likeness import Likeness
from healthvision.clinical.radiograph.lungs import LungFields, body_below, is_inverted, lung_fields
from healthvision.clinical.radiograph.opacity import Atlas, find_opacities
from healthvision.clinical.result import (
    Gate,
    GateOutcome,
    Laterality,
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
from healthvision.clinical.volume import Array, BoolArray
from healthvision.domains.modelhub.ports import Context, Manifest, Stages, StudyInput
from healthvision.plugins.applications.chest_xray import (
    checks,
    findings,
    network,
    pneumonia,
    signs,
    words,
)
from healthvision.plugins.applications.chest_xray.ages import with_age
from healthvision.plugins.applications.chest_xray.drawing import Canvas, key_image
from healthvision.plugins.applications.chest_xray.findings import Drawn, Reading
from healthvision.plugins.applications.chest_xray.manifest import LIMITATIONS, MANIFEST
from healthvision.plugins.applications.chest_xray.series import Choice, choose
from healthvision.plugins.applications.chest_xray.views import with_view

_COLOURS = ((255, 140, 0), (255, 60, 60))


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """An upright frame, dense is bright, with the lung fields; ``distance`` from known films.

    ``embedding``: float32 (64,) of the lung network.
    """

    frame: Frame
    pixels: np.ndarray
    fields: LungFields | None
    distance: float
    embedding: Array
    inverted: bool
    below: bool = True


@cache
def reference() -> tuple[Atlas, Likeness]:
    """Return normal lungs and the look of known films, from the package."""
    data = np.load(io.BytesIO(network.read(network.REFERENCE)), allow_pickle=False)
    return (
        Atlas(data["atlas_mean"].astype(float), data["atlas_spread"].astype(float)),
        Likeness(data["mean"].astype(float), data["inverse"].astype(float), float(data["limit"])),
    )


def look(image: SeriesImage, turn: Turn) -> Seen:
    """Fit, see, and turn inverted greys back."""
    return look_at(fit(turn.upright(image.volume.voxels[0])))


def look_at(frame: Frame) -> Seen:
    """See one frame; inverted greys are turned back and seen again."""
    likeness = reference()[1]
    pixels, film = frame.pixels, frame.inside()
    seen = network.see(pixels)
    fields = lung_fields(seen.lungs, film)
    inverted = fields is not None and is_inverted(pixels, fields)
    if inverted:
        pixels = np.where(film, 1 - pixels, 0).astype(np.float32)
        seen = network.see(pixels)
        fields = lung_fields(seen.lungs, film)
    below = fields is None or body_below(pixels, film, fields)
    distance = likeness.distance(seen.embedding)
    return Seen(frame, pixels, fields, distance, seen.embedding, inverted, below)


def chest_gate(seen: Seen) -> Gate:
    """Decide whether what was seen is a frontal chest film."""
    limit = reference()[1].limit
    return checks.chest_gate(seen.fields, seen.distance, limit, below=seen.below)


class ChestXray:
    """The application ``chest-xray``; see its manifest."""

    @property
    def manifest(self) -> Manifest:
        """Describe the application."""
        return MANIFEST

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse the frontal film of a study; abstains with a reason when it may not."""
        clock = Stages(context)
        choice = with_view(choose(study), study.series, context.parameters)
        clock.done(0.2, "load")
        if choice.image is None:
            zh = "；".join(w.zh for _, w in choice.rejected) or "无序列"
            en = "; ".join(w.en for _, w in choice.rejected) or "no series"
            why = Text(zh=f"没有适合的胸片（{zh}）", en=f"No suitable chest film ({en})")
            return _abstain(choice, [], why, clock)
        return _analyse(choice, with_age(choice.image, context.parameters), clock)


def _abstain(choice: Choice, gates: Sequence[Gate], why: Text, clock: Stages) -> ApplicationOutput:
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


def _analyse(choice: Choice, image: SeriesImage, clock: Stages) -> ApplicationOutput:
    turn = turn_of(str(image.header.extra.get("PatientOrientation", "")))
    gates = [
        checks.size_gate(image),
        checks.body_gate(image.header),
        checks.view_gate(image.header, turn),
    ]
    why = checks.failed(gates)
    if why is not None:
        return _abstain(choice, gates, why, clock)
    seen = look(image, turn)
    clock.done(0.6, "lungs")
    gates += checks.picture_gates(image, inverted=seen.inverted)
    gates.append(chest_gate(seen))
    why = checks.failed(gates)
    if why is not None or seen.fields is None:
        return _abstain(choice, gates, why or Text(zh="未找到肺野", en="no lung fields"), clock)
    reading, more = _read(image, seen, seen.fields, turn)
    clock.done(0.8, "heart and opacities")
    age, doubt = image.header.patient_age_years, image.header.age_doubt
    domain, answer = pneumonia.consider(seen.pixels, seen.fields, seen.embedding, age, doubt)
    gates += [*more, domain]
    clock.done(0.9, "children's classifier")
    output = _output(choice, replace(reading, answer=answer), gates, turn)
    clock.done(1.0, "outputs")
    output.stages_s.update(clock.seconds)
    return output


def _read(
    image: SeriesImage, seen: Seen, fields: LungFields, turn: Turn
) -> tuple[Reading, list[Gate]]:
    """Measure heart and opacities of a film that passed."""
    atlas = reference()[0]
    same_age = checks.has_normals(image.header)
    opacities = find_opacities(seen.pixels, fields, atlas, same_age=same_age)
    heart = measure_heart(seen.pixels, fields)
    allowed = checks.ratio_gate(image.header, fields)
    gates = [
        checks.side_gate(turn, fields, None if heart is None else _left_share(heart)),
        *checks.position_gates(fields),
        allowed,
    ]
    given = None if allowed.outcome is GateOutcome.FAILED else heart
    if allowed.outcome is not GateOutcome.FAILED and heart is None:
        gates[-1] = checks.unsure_heart_gate()
    canvas = Canvas(seen.pixels, seen.frame.inside())
    return Reading(image, seen.frame, canvas, fields, opacities, given), gates


def _left_share(heart: Heart) -> float:
    """Return how much of the heart's width lies on the patient's left of the chest's middle."""
    middle = (heart.thorax[0] + heart.thorax[1]) / 2
    width = max(heart.heart[1] - heart.heart[0], 1e-6)
    return (heart.heart[1] - middle) / width


def _output(
    choice: Choice, reading: Reading, gates: Sequence[Gate], turn: Turn
) -> ApplicationOutput:
    drawn: list[Drawn] = []
    for side in range(2):
        found = findings.opacity_finding(reading, side, 3 + len(drawn))
        drawn += [] if found is None else [found]
    if reading.heart is not None:
        wide = findings.heart_finding(reading, reading.heart)
        drawn += [] if wide is None else [wide]
    if reading.answer is not None:
        fits = signs.finding(reading.image, reading.canvas, reading.answer, reading.fields.both)
        drawn = drawn if fits is None else [fits, *drawn]
    return ApplicationOutput(
        chosen=choice.chosen,
        gates=tuple(gates),
        findings=tuple(d.finding for d in drawn),
        measurements=_measurements(reading),
        negatives=(),  # no size from which on opacities are found was measured
        summary=_summary(reading, gates, drawn),
        limitations=LIMITATIONS,
        segmentation=_segmentation(reading, drawn, turn),
        key_images=tuple(d.key for d in drawn) or (_overview(reading),),
    )


def _measurements(reading: Reading) -> tuple[Measurement, ...]:
    film = max(1, int(reading.canvas.film.sum()))
    method = "U-Net, 256 x 256"
    fields = {"right": reading.fields.left_side, "left": reading.fields.right_side}
    out = [
        words.measurement(f"lung-share-{name}", 100 * float(m.sum()) / film, "%", method)
        for name, m in fields.items()
    ]
    if reading.heart is not None:
        out += findings.heart_measurements(reading, reading.heart)
    if reading.answer is not None:
        out += signs.measurements(reading.answer)
    return tuple(out)


def _segmentation(reading: Reading, drawn: Sequence[Drawn], turn: Turn) -> Segmentation:
    """Return the label map on the stored film: right lung, left lung, opacities."""

    def large(mask: BoolArray) -> BoolArray:
        out: BoolArray = reading.frame.back(mask) > 0.5
        return out

    labels = np.zeros(reading.frame.shape, np.uint8)
    labels[large(reading.fields.left_side)] = 1
    labels[large(reading.fields.right_side)] = 2
    segments = [
        Segment(1, "Right lung", Text(zh="右肺", en="Right lung"), words.ANATOMY,
                words.LUNG_RIGHT, Laterality.RIGHT, colour=(80, 150, 255)),
        Segment(2, "Left lung", Text(zh="左肺", en="Left lung"), words.ANATOMY,
                words.LUNG_LEFT, Laterality.LEFT, colour=(80, 220, 200)),
    ]  # fmt: skip
    for d in drawn:
        overlay = d.finding.explanation.overlay
        if d.mask is None or overlay is None or overlay.segment is None:
            continue
        labels[large(d.mask)] = overlay.segment
        segments.append(
            Segment(
                overlay.segment,
                d.finding.tracking_id,
                d.finding.label,
                words.ABNORMAL,
                words.OPACITY,
                d.finding.location.laterality,
                d.finding.tracking_id,
                d.finding.tracking_uid,
                _COLOURS[overlay.segment % 2],
            )
        )
    volume = reading.image.volume
    return Segmentation(volume.like(turn.back(labels)[None]), tuple(segments))


def _overview(reading: Reading) -> KeyImage:
    """Return the film with the outlines, for results without a finding."""
    caption = Text(zh="肺野轮廓", en="Outline of the lung fields")
    if reading.heart is not None:
        caption = Text(zh="肺野轮廓与心胸比", en="Lung fields and cardiothoracic ratio")
    return key_image(
        reading.canvas, "key-lungs", caption, lungs=reading.fields.both, heart=reading.heart
    )


def _summary(reading: Reading, gates: Sequence[Gate], drawn: Sequence[Drawn]) -> Text:
    zh, en = ["已勾画双肺野。"], ["Both lung fields were outlined."]
    h = reading.heart
    if h is not None:
        zh.append(f"心胸比{h.ratio:.2f}（{h.low:.2f}-{h.high:.2f}）。")
        en.append(f"Cardiothoracic ratio {h.ratio:.2f} ({h.low:.2f} to {h.high:.2f}).")
        if findings.unsure_normal(h):
            zh.append(f"{findings.NOT_EXCLUDED.zh}。")
            en.append(f"{findings.NOT_EXCLUDED.en}.")
    none = None if reading.answer is None else signs.told_none(reading.answer)
    if none is not None:
        zh.append(none.zh)
        en.append(none.en)
    if drawn:
        zh.append("AI所见：" + "；".join(d.finding.label.zh for d in drawn) + "。")
        en.append("AI findings: " + "; ".join(d.finding.label.en for d in drawn) + ".")
    else:
        zh.append("未标出异常区域，不等于正常。")
        en.append("No region was marked; that does not mean normal.")
    adult = checks.is_child(reading.image.header) is False
    for gate in gates:
        if adult and gate.id == pneumonia.GATE:
            continue  # nobody expects a children's answer; the gate still stands in the result
        if gate.outcome is not GateOutcome.PASSED:
            zh.append(f"注意：{gate.reason.zh}。")
            en.append(f"Warning: {gate.reason.en}.")
    return Text(zh="".join(zh), en=" ".join(en))


APPLICATION = ChestXray()
