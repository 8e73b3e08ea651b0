# SPDX-License-Identifier: Apache-2.0
"""lung-ct: from a study to lungs, emphysema, nodules and masses."""

from collections.abc import Sequence

import numpy as np

from healthvision.clinical.chest import gates as checks
from healthvision.clinical.chest.candidates import workspace
from healthvision.clinical.chest.emphysema import Emphysema, measure_emphysema
from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.keyimages import draw_key_slice
from healthvision.clinical.chest.lungs import LEFT, RIGHT, Lungs, find_lungs
from healthvision.clinical.chest.masses import Mass, find_masses
from healthvision.clinical.chest.nodules import Nodule, find_nodules
from healthvision.clinical.chest.orient import Oriented, orient
from healthvision.clinical.guidelines import lung_rads_2022
from healthvision.clinical.result import (
    Category,
    EvidenceLevel,
    ExplicitNegative,
    Finding,
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
from healthvision.clinical.volume import FloatArray
from healthvision.domains.modelhub.ports import Context, Manifest, Stages, StudyInput
from healthvision.plugins.applications.lung_ct import findings, words
from healthvision.plugins.applications.lung_ct.evidence import EVIDENCE
from healthvision.plugins.applications.lung_ct.findings import (
    EMPHYSEMA_FROM,
    Case,
    Drawn,
    Peers,
)
from healthvision.plugins.applications.lung_ct.manifest import manifest
from healthvision.plugins.applications.lung_ct.series import Choice, choose

_COLOURS = ((255, 140, 0), (255, 60, 60), (255, 215, 0), (220, 80, 220), (90, 220, 90))


class LungCt:
    """The application ``lung-ct``; see its manifest."""

    def __init__(self) -> None:
        """Read manifest and forest from the package."""
        self._manifest, self._forest = manifest()

    @property
    def manifest(self) -> Manifest:
        """Describe the application."""
        return self._manifest

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse the best CT series of a study; abstains with a reason when it may not."""
        clock = Stages(context)
        choice = choose(study)
        clock.done(0.1, "load")
        if choice.image is None:
            reasons = "; ".join(f"{uid}: {why.en}" for uid, why in choice.rejected) or "no series"
            reasons_zh = "；".join(f"{uid}：{w.zh}" for uid, w in choice.rejected) or "无序列"
            why = Text(
                zh=f"没有适合的胸部CT序列（{reasons_zh}）",
                en=f"No suitable chest CT series ({reasons})",
            )
            return _abstain(choice, [], why, clock)
        return _analyse(choice, choice.image, self._forest, clock)


def _abstain(choice: Choice, gates: list[Gate], why: Text, clock: Stages) -> ApplicationOutput:
    clock.done(1.0, "done")
    return ApplicationOutput(
        chosen=choice.chosen,
        gates=tuple(gates),
        findings=(),
        measurements=(),
        negatives=(),
        summary=Text(zh=f"不予判断：{why.zh}", en=f"Abstained: {why.en}"),
        limitations=manifest_limitations(),
        segmentation=None,
        key_images=(),
        abstained=why,
        stages_s=clock.seconds,
    )


def manifest_limitations() -> tuple[Text, ...]:
    """Return the limitations that every result repeats."""
    return APPLICATION.manifest.limitations


def _failed(gates: Sequence[Gate]) -> Text | None:
    bad = [g for g in gates if g.outcome is GateOutcome.FAILED]
    if not bad:
        return None
    return Text(zh="；".join(g.reason.zh for g in bad), en="; ".join(g.reason.en for g in bad))


def _slice_mm(image: SeriesImage) -> float:
    """Return the larger of slice spacing and nominal slice thickness, mm."""
    return max(image.volume.spacing[0], image.header.slice_thickness_mm or 0.0)


def _analyse(
    choice: Choice, image: SeriesImage, forest: Forest, clock: Stages
) -> ApplicationOutput:
    oriented = orient(image.volume)
    gates = [checks.hounsfield_gate(oriented.volume), *checks.geometry_gates(image.notes)]
    why = _failed(gates)
    if why is not None:
        return _abstain(choice, gates, why, clock)
    thickness = checks.slice_gate(_slice_mm(image))
    gates.append(thickness)
    lungs = find_lungs(oriented.volume)
    clock.done(0.35, "lungs")
    if lungs is None:
        why = Text(zh="未找到肺", en="No lungs found")
        return _abstain(choice, gates, why, clock)
    on_lungs = checks.lung_gates(lungs)
    gates += on_lungs
    why = _failed(on_lungs)
    if why is not None:
        return _abstain(choice, gates, why, clock)
    emphysema = measure_emphysema(oriented.volume, lungs)
    clock.done(0.5, "emphysema")
    case = Case(image, oriented, thickness.outcome is GateOutcome.PASSED)
    nodules: list[Nodule] = []
    masses: list[Mass] = []
    origin = np.zeros(3)
    if thickness.outcome is not GateOutcome.FAILED:
        masses = find_masses(lungs)
        gates.append(checks.mass_gate())
        space = workspace(oriented.volume, lungs, emphysema.noise_sd)
        origin = np.array(oriented.volume.to_index(space.iso.origin))
        least = 4.0 if case.full else checks.THICK_LEAST_MM
        nodules = find_nodules(space, forest, seed=clock.context.seed, least_mm=least)
        nodules = [n for n in nodules if not _inside(n, masses, lungs)]
        clock.done(0.85, "nodules")
    peers = Peers(len(nodules), len(nodules) + len(masses), emphysema.laa950)
    drawn = _draw(case, lungs, nodules, masses, origin, peers)
    overall = lung_rads_2022([findings.facts(n) for n in nodules]) if case.full else None
    if masses:
        overall = None  # the guideline's rows do not hold for a mass of unknown cause
    segmentation = _segmentation(case, lungs, drawn)
    keys = [k for d in sorted(drawn, key=findings.weight) for k in d.keys] or [
        _overview(oriented, lungs)
    ]
    clock.done(1.0, "outputs")
    searched = thickness.outcome is not GateOutcome.FAILED
    listed = _findings(drawn, case, emphysema)
    return ApplicationOutput(
        chosen=choice.chosen,
        gates=tuple(gates),
        findings=listed,
        measurements=_study_measurements(lungs, emphysema),
        negatives=tuple(_negatives(case, drawn, emphysema.laa950, searched=searched)),
        summary=_summary(case, lungs, emphysema, gates, listed, overall),
        limitations=manifest_limitations(),
        segmentation=segmentation,
        key_images=tuple(keys),
        stages_s=clock.seconds,
        categories=() if overall is None else (overall,),
    )


def _inside(nodule: Nodule, masses: Sequence[Mass], lungs: Lungs) -> bool:
    """Whether a nodule lies in a mass or within 10 mm of it."""
    for mass in masses:
        at = np.array(lungs.coarse.to_index(nodule.place))
        gaps = (np.argwhere(mass.mask) - at) * np.array(lungs.coarse.spacing)
        if float(np.linalg.norm(gaps, axis=1).min()) < 10.0:
            return True
    return False


def _draw(
    case: Case,
    lungs: Lungs,
    nodules: list[Nodule],
    masses: list[Mass],
    origin: FloatArray,
    peers: Peers,
) -> list[Drawn]:
    drawn = [
        findings.nodule_finding(case, n, i, origin, peers) for i, n in enumerate(nodules, start=1)
    ]
    for i, mass in enumerate(masses, start=1):
        drawn.append(findings.mass_finding(case, lungs, mass, i, len(nodules) + i + 2))
    return drawn


def _segmentation(case: Case, lungs: Lungs, drawn: Sequence[Drawn]) -> Segmentation:
    """Return the label map in the geometry of the series: right, left lung, then each lesion."""
    labels = lungs.labels.copy()
    segments = [
        Segment(RIGHT, "Right lung", Text(zh="右肺", en="Right lung"), words.ANATOMY,
                words.LUNG_RIGHT, Laterality.RIGHT, colour=(80, 150, 255)),
        Segment(LEFT, "Left lung", Text(zh="左肺", en="Left lung"), words.ANATOMY,
                words.LUNG_LEFT, Laterality.LEFT, colour=(80, 220, 200)),
    ]  # fmt: skip
    for number, d in enumerate(drawn, start=3):
        if d.mask is None or d.box is None:
            continue
        labels[d.box][d.mask] = number
        f = d.finding
        segments.append(
            Segment(
                number,
                f.tracking_id,
                f.label,
                words.ABNORMAL,
                words.NODULE if f.code != words.MASS else words.MASS,
                f.location.laterality,
                f.tracking_id,
                f.tracking_uid,
                _COLOURS[number % len(_COLOURS)],
            )
        )
    return Segmentation(case.image.volume.like(case.oriented.back(labels)), tuple(segments))


def _study_measurements(lungs: Lungs, emphysema: Emphysema) -> tuple[Measurement, ...]:
    method = "threshold -400 HU, 10 mm closing, airways removed"

    def volume(name: str, ml: float) -> Measurement:
        limits = (ml * 0.97, ml * 1.03)
        return words.measurement(name, ml, "mL", method, limits, digits=0)

    return (
        volume("volume-lungs", lungs.total_ml),
        volume("volume-right", lungs.right_ml),
        volume("volume-left", lungs.left_ml),
        *findings.study_emphysema(emphysema),
        words.measurement("noise", emphysema.noise_sd, "[hnsf'U]", "median absolute deviation"),
    )


def _overview(oriented: Oriented, lungs: Lungs) -> KeyImage:
    """Return the section with most lung, its outline drawn, for results without a lesion."""
    section = int(np.argmax(np.count_nonzero(lungs.labels, axis=(1, 2))))
    caption = Text(zh="双肺轮廓", en="Outline of the lungs")
    y, x = oriented.volume.shape[1] / 2, oriented.volume.shape[2] / 2
    return KeyImage(
        name="key-lungs",
        pixels=draw_key_slice(
            oriented.volume, section, lungs.labels[section] > 0, label=caption.en
        ),
        slice_index=round(oriented.original_index((float(section), y, x))[0]),
        caption=caption,
    )


def _negatives(
    case: Case, drawn: Sequence[Drawn], laa: float, *, searched: bool
) -> list[ExplicitNegative]:
    out = []
    if searched and not drawn:
        least = "6" if case.full else "10"
        known = next((e for e in EVIDENCE if e.metric == f"sensitivity-{least}mm-2fp"), None)
        zh, en = "", ""
        if known is not None:
            zh = f"；体模上灵敏度为{known.value:.0%}（{known.n}个结节）"
            en = f"; on phantoms the sensitivity is {known.value:.0%} ({known.n} nodules)"
        out.append(
            ExplicitNegative(
                code=words.NODULE,
                label=Text(
                    zh=f"未见{least} mm及以上结节", en=f"No nodule of {least} mm or more found"
                ),
                detection_limit=Text(
                    zh=f"检出下限{least} mm{zh}", en=f"Looked for {least} mm and more{en}"
                ),
                evidence_level=EvidenceLevel.E1,
            )
        )
    if laa < 1.4:
        out.append(
            ExplicitNegative(
                code=words.EMPHYSEMA,
                label=Text(zh="未见明显肺气肿", en="No significant emphysema"),
                detection_limit=Text(
                    zh="%LAA-950低于1.4%；体模误差约1-3个百分点",
                    en="%LAA-950 below 1.4 %; the error on phantoms is 1 to 3 points",
                ),
                evidence_level=EvidenceLevel.E1,
            )
        )
    return out


def _summary(
    case: Case,
    lungs: Lungs,
    e: Emphysema,
    gates: Sequence[Gate],
    listed: Sequence[Finding],
    overall: Category | None,
) -> Text:
    """Say the result in sentences; it counts what the table of findings lists."""
    zh = [f"双肺容积{lungs.total_ml:.0f} mL（右{lungs.right_ml:.0f}，左{lungs.left_ml:.0f}），"
          f"%LAA-950为{e.laa950:.1f}%。"]  # fmt: skip
    en = [f"Lung volume {lungs.total_ml:.0f} mL (right {lungs.right_ml:.0f}, left "
          f"{lungs.left_ml:.0f}), %LAA-950 {e.laa950:.1f} %."]  # fmt: skip
    if listed:
        named = [words.placed(f.label, f.location.region) for f in listed[:5]]
        more = len(listed) - len(named)
        zh_more, en_more = (f"；另{more}项", f"; {more} more") if more else ("", "")
        zh.append(f"AI所见{len(listed)}项：" + "；".join(n.zh for n in named) + f"{zh_more}。")
        en.append(f"AI findings: {len(listed)}. " + "; ".join(n.en for n in named) + f"{en_more}.")
    lesions = any(f.code != words.EMPHYSEMA for f in listed)
    if not lesions and _unsearched(gates):
        zh.append("未检测结节。")
        en.append("Nodules were not looked for.")
    elif not lesions:
        least = 6 if case.full else 10
        zh.append(f"未见{least} mm及以上结节。")
        en.append(f"No nodule of {least} mm or more found.")
    if overall is not None:
        zh.append(f"Lung-RADS v2022：{overall.value}（按基线检查）。")
        en.append(f"Lung-RADS v2022: {overall.value} (baseline assumed).")
    for gate in gates:
        if gate.outcome is not GateOutcome.PASSED:
            zh.append(f"注意：{gate.reason.zh}。")
            en.append(f"Warning: {gate.reason.en}.")
    return Text(zh="".join(zh), en=" ".join(en))


def _unsearched(gates: Sequence[Gate]) -> bool:
    """Whether the slices are too thick to look for nodules."""
    return any(g.id == "slice-thickness" and g.outcome is GateOutcome.FAILED for g in gates)


def _findings(drawn: Sequence[Drawn], case: Case, e: Emphysema) -> tuple[Finding, ...]:
    out = [d.finding for d in drawn]
    if e.laa950 >= EMPHYSEMA_FROM:
        out.append(findings.emphysema_finding(case, e))
    return tuple(out)


APPLICATION = LungCt()
