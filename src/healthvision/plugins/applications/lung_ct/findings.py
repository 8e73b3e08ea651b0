# SPDX-License-Identifier: Apache-2.0
"""From nodules, masses and emphysema to findings with categories, words and pictures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from healthvision.clinical.chest.emphysema import Emphysema
from healthvision.clinical.chest.gates import FULL_MM
from healthvision.clinical.chest.intervals import ERRORS, WIDEST
from healthvision.clinical.chest.keyimages import LUNG_WINDOW, SOFT_WINDOW, draw_key_slice
from healthvision.clinical.chest.lungs import Lungs
from healthvision.clinical.chest.masses import Mass
from healthvision.clinical.chest.nodules import Nodule
from healthvision.clinical.chest.orient import Oriented
from healthvision.clinical.guidelines import (
    GuidelineInputError,
    NoduleFacts,
    fleischner_2017,
    lung_rads_2022_nodule,
)
from healthvision.clinical.guidelines.lung_rads import GUIDELINE as LUNG_RADS
from healthvision.clinical.guidelines.lung_rads import ORDER
from healthvision.clinical.result import (
    Category,
    Code,
    Confidence,
    EvidenceLevel,
    Explanation,
    Finding,
    Interval,
    Laterality,
    Location,
    Measurement,
    OverlayRef,
    Risk,
    Text,
)
from healthvision.clinical.study import KeyImage, SeriesImage
from healthvision.clinical.volume import BoolArray, FloatArray
from healthvision.plugins.applications.lung_ct import words
from healthvision.plugins.applications.lung_ct.risk import risks

# A mass sunk into a wall is measured short, one that lies on tissue long: 5th and 95th percentile
# of the error on 24 masses of phantoms, seeds 3200-3205 (evidence.json).
MASS_BELOW_MM, MASS_ABOVE_MM, MASS_COVERAGE = 13.0, 12.0, 0.9
EMPHYSEMA_FROM = 5.0  # %LAA-950
FOREST_METHOD = (
    "random forest on 22 features, logistic calibration with contrast, size and attachment, "
    "4 noise perturbations"
)
NO_INTERVAL = f"no interval is given: none was fitted on slices above {FULL_MM:g} mm"
CALIBRATED_ON = "chest phantoms with small, faint and attached nodules, seeds 2000-2023"


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """What all findings of one scan share; ``full``: slices thin enough for categories."""

    image: SeriesImage
    oriented: Oriented
    full: bool


@dataclass(frozen=True, slots=True)
class Peers:
    """What else the scan shows: ``nodules``, ``lesions`` (masses included), %LAA-950."""

    nodules: int
    lesions: int
    laa950: float


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A finding with its key images; ``mask``: bool of the full oriented volume's ``box``."""

    finding: Finding
    keys: tuple[KeyImage, ...]
    box: tuple[slice, slice, slice] | None
    mask: BoolArray | None


def tracking_uid(series_uid: str, name: str) -> str:
    """Return a DICOM UID that is the same for the same finding of the same series."""
    digest = hashlib.sha256(f"healthvision/lung-ct/{series_uid}/{name}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def facts(nodule: Nodule) -> NoduleFacts:
    """Return what the guidelines need; margins are not judged, so neither smooth nor spiculated."""
    sizes = nodule.sizes
    return NoduleFacts(
        density=sizes.density,
        mean_diameter_mm=sizes.axes.mean_mm,
        solid_diameter_mm=sizes.solid_mm if sizes.density == "part-solid" else None,
        volume_mm3=round(sizes.volume_mm3, 1),
        juxtapleural=nodule.pleura_mm < 1.5,
    )


def _categories(case: Case, nodule: Nodule, *, multiple: bool) -> tuple[Category, ...]:
    if not case.full:
        return ()
    known = facts(nodule)
    out = [lung_rads_2022_nodule(known)]
    try:
        age = case.image.header.patient_age_years
        out.append(fleischner_2017(known, multiple=multiple, risk=None, age_years=age))
    except GuidelineInputError:
        pass
    return tuple(out)


def _risks(case: Case, nodule: Nodule, peers: Peers) -> tuple[Risk, ...]:
    if not case.full:
        return ()
    return risks(
        nodule, case.image.header, count=peers.nodules, emphysema=peers.laa950 >= EMPHYSEMA_FROM
    )


def _mask_in_volume(
    case: Case, nodule: Nodule, to_index: FloatArray
) -> tuple[tuple[slice, slice, slice], BoolArray]:
    """Return box and mask of a nodule in the volume; ``to_index``: of workspace [0, 0, 0]."""
    volume = case.oriented.volume
    corner = np.array(nodule.corner, float)
    cube = nodule.sizes.mask
    axes, box = [], []
    for axis in range(3):
        step = volume.spacing[axis]
        first = int(np.ceil(to_index[axis] + (corner[axis] - 0.49) / step))
        last = int(np.floor(to_index[axis] + (corner[axis] + cube.shape[axis] - 0.51) / step))
        first, last = max(first, 0), min(last, volume.shape[axis] - 1)
        at = (np.arange(first, last + 1) - to_index[axis]) * step - corner[axis]
        axes.append(np.clip(np.rint(at).astype(int), 0, cube.shape[axis] - 1))
        box.append(slice(first, last + 1))
    mask: BoolArray = cube[np.ix_(*axes)]
    return (box[0], box[1], box[2]), mask


def _location(
    case: Case, place: tuple[float, float, float], section: int, *, left: bool, zone: int
) -> Location:
    at = list(case.oriented.volume.to_index(place))
    at[0] = float(section)
    index = round(case.oriented.original_index((at[0], at[1], at[2]))[0])
    slices = case.image.slices
    ref = slices[index] if 0 <= index < len(slices) else None
    return Location(
        position_lps_mm=(round(place[0], 2), round(place[1], 2), round(place[2], 2)),
        series_uid=case.image.header.series_uid,
        sop_instance_uid=None if ref is None else ref.sop_instance_uid,
        frame_number=None if ref is None else ref.frame_number,
        region=words.region(left=left, zone=zone),
        region_code=words.LUNG_LEFT if left else words.LUNG_RIGHT,
        laterality=words.side(left=left),
    )


def _key(
    case: Case,
    name: str,
    tracking: str,
    drawing: tuple[tuple[slice, slice, slice], BoolArray],
    section: int,
    caption: Text,
    axes: FloatArray | None,
    grey: tuple[float, float] = LUNG_WINDOW,
) -> KeyImage:
    volume = case.oriented.volume
    box, mask = drawing
    flat = np.zeros(volume.shape[1:], bool)
    if box[0].start <= section < box[0].stop:
        flat[box[1], box[2]] = mask[section - box[0].start]
    y, x = volume.shape[1] / 2, volume.shape[2] / 2
    return KeyImage(
        name=name,
        pixels=draw_key_slice(volume, section, flat, label=caption.en, axes=axes, grey=grey),
        slice_index=round(case.oriented.original_index((float(section), y, x))[0]),
        caption=caption,
        tracking_id=tracking,
    )


def _source(nodule: Nodule) -> str:
    """Say what the intervals of a nodule's size were made from."""
    known = ERRORS[nodule.difficulty]
    lent = f" and {known.lent} {WIDEST}" if known.lent else ""
    return f"interval from {known.n} {nodule.difficulty}{lent} nodules of phantoms"


def _nodule_measurements(nodule: Nodule, *, full: bool) -> tuple[Measurement, ...]:
    """Return the sizes; ``full``: slices as thin as those the intervals were fitted on."""
    s, known = nodule.sizes, ERRORS[nodule.difficulty]
    method = "half maximum on 1 mm voxels, largest axial section"
    seen = _source(nodule) if full else NO_INTERVAL
    diameter = known.diameter.around(s.axes.mean_mm) if full else None
    volume = known.volume.around(s.volume_mm3) if full else None
    out = [
        words.measurement("mean", s.axes.mean_mm, "mm", f"{method}; {seen}", diameter),
        words.measurement("long", s.axes.long_mm, "mm", method),
        words.measurement("short", s.axes.short_mm, "mm", method),
        words.measurement("volume", s.volume_mm3, "mm3", f"half maximum; {seen}", volume),
        words.measurement("hu", s.mean_hu, "[hnsf'U]", "mean of the eroded lesion"),
        words.measurement("pleura", nodule.pleura_mm, "mm", "distance map of the lungs"),
    ]
    if s.solid_mm is not None:
        out.append(words.measurement("solid", s.solid_mm, "mm", "above -300 HU"))
    return tuple(out)


def nodule_finding(
    case: Case, nodule: Nodule, number: int, origin: FloatArray, peers: Peers
) -> Drawn:
    """Return finding and key image of a nodule; ``origin``: index of the workspace's first."""
    multiple = peers.lesions > 1
    name = f"nodule-{number}"
    s = nodule.sizes
    box, mask = _mask_in_volume(case, nodule, origin)
    counts = mask.sum(axis=(1, 2))
    section = box[0].start + int(np.argmax(counts))
    where = words.region(left=nodule.left, zone=nodule.zone)
    kind = words.DENSITIES[s.density]
    label = Text(
        zh=f"{kind.zh}结节 {s.axes.mean_mm:g} mm", en=f"{kind.en} nodule {s.axes.mean_mm:g} mm"
    )
    ends = s.axes.ends + np.array(nodule.corner[1:])
    ends = ends / np.array(case.oriented.volume.spacing[1:]) + origin[1:]
    code = words.NODULE if multiple else words.SOLITARY
    coded = Code(scheme="99HV", value=s.density, meaning=f"{kind.en} nodule")
    finding = Finding(
        tracking_id=name,
        tracking_uid=tracking_uid(case.image.header.series_uid, name),
        code=code,
        label=label,
        location=_location(case, nodule.place, section, left=nodule.left, zone=nodule.zone),
        measurements=_nodule_measurements(nodule, full=case.full),
        attributes=((words.DENSITY, coded),),
        categories=_categories(case, nodule, multiple=multiple),
        risks=_risks(case, nodule, peers),
        confidence=Confidence(
            value=round(nodule.confidence, 4),
            interval=Interval(low=round(nodule.interval[0], 4), high=round(nodule.interval[1], 4)),
            method=FOREST_METHOD,
            calibrated_on=CALIBRATED_ON,
        ),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="Saabas path attribution of the forest (share of votes)",
            text=words.why(nodule),
            overlay=OverlayRef(segment=number + 2, images=(f"key-{number}.png",)),
            contributions=words.contributions(nodule),
        ),
    )
    caption = words.placed(label, where)
    key = _key(case, f"key-{number}", name, (box, mask), section, caption, ends)
    return Drawn(finding, (key,), box, mask)


def mass_finding(case: Case, lungs: Lungs, mass: Mass, number: int, segment: int) -> Drawn:
    """Return finding and key image of a mass; masses get no category and no probability."""
    name = f"mass-{number}"
    shape = case.oriented.volume.shape
    rows = np.flatnonzero(mass.mask.any(axis=(1, 2)))
    fz, fy, fx = lungs.factors
    box = (
        slice(int(rows[0]) * fz, min((int(rows[-1]) + 1) * fz, shape[0])),
        slice(0, shape[1]),
        slice(0, shape[2]),
    )
    blocks = mass.mask[rows[0] : rows[-1] + 1]
    mask = np.repeat(np.repeat(np.repeat(blocks, fz, 0), fy, 1), fx, 2)
    mask = mask[: box[0].stop - box[0].start, : shape[1], : shape[2]]
    section = min(mass.section * fz + fz // 2, shape[0] - 1)
    where = words.region(left=mass.left, zone=mass.zone)
    size = mass.axes.mean_mm
    interval = (max(0.1, size - MASS_ABOVE_MM), size + MASS_BELOW_MM)
    label = Text(zh=f"软组织肿块 {size:g} mm", en=f"soft-tissue mass {size:g} mm")
    method = (
        f"coarse grid {lungs.coarse.spacing[1]:.1f} mm, largest axial section, "
        "only the part within the expected lung"
    )
    finding = Finding(
        tracking_id=name,
        tracking_uid=tracking_uid(case.image.header.series_uid, name),
        code=words.MASS,
        label=label,
        location=_location(case, mass.place, section, left=mass.left, zone=mass.zone),
        measurements=(
            words.measurement("mean", size, "mm", method, interval, coverage=MASS_COVERAGE),
            words.measurement("long", mass.axes.long_mm, "mm", method),
            words.measurement("short", mass.axes.short_mm, "mm", method),
            words.measurement("volume", mass.volume_ml, "mL", method),
            words.measurement("hu", mass.mean_hu, "[hnsf'U]", "mean of the lesion"),
        ),
        confidence=Confidence(
            value=None,
            reason_absent=Text(
                zh="肿块检测没有校准数据，不给出概率",
                en="There are no calibration data for masses, so no probability is given",
            ),
            method="expected lung against soft tissue",
        ),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="expected lung against soft tissue, opening of 7 mm radius",
            text=words.mass_text(mass),
            overlay=OverlayRef(
                segment=segment, images=(f"key-mass-{number}.png", f"key-mass-{number}-lung.png")
            ),
        ),
    )
    ends = mass.axes.ends / np.array(lungs.coarse.spacing[1:]) * np.array([fy, fx])
    ends = ends + (np.array([fy, fx]) - 1) / 2
    caption = words.placed(label, where)
    soft = Text(zh=f"{caption.zh}（纵隔窗）", en=f"{caption.en} (soft-tissue window)")
    keys = (
        _key(case, f"key-mass-{number}", name, (box, mask), section, soft, ends, SOFT_WINDOW),
        _key(case, f"key-mass-{number}-lung", name, (box, mask), section, caption, ends),
    )
    return Drawn(finding, keys, box, mask)


def emphysema_finding(case: Case, e: Emphysema) -> Finding:
    """Return emphysema as a finding of both lungs."""
    return Finding(
        tracking_id="emphysema-1",
        tracking_uid=tracking_uid(case.image.header.series_uid, "emphysema-1"),
        code=words.EMPHYSEMA,
        label=Text(
            zh=f"肺气肿，%LAA-950 为 {e.laa950:.1f}%", en=f"Emphysema, %LAA-950 {e.laa950:.1f} %"
        ),
        location=Location(
            position_lps_mm=None,
            series_uid=case.image.header.series_uid,
            sop_instance_uid=None,
            region=Text(zh="双肺", en="both lungs"),
            laterality=Laterality.BOTH,
        ),
        measurements=study_emphysema(e),
        confidence=Confidence(
            value=None,
            reason_absent=Text(
                zh="这是测量值而非分类，误差见区间",
                en="This is a measurement and no classification; see its interval",
            ),
            method="%LAA-950 after noise-matched smoothing",
        ),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method="threshold -950 HU",
            text=Text(
                zh=f"平滑后低于-950 HU的肺体积占{e.laa950:.1f}%（平滑前噪声{e.noise_sd:.0f} HU，"
                f"平滑后约{e.residual_sd:.0f} HU）。",
                en=f"{e.laa950:.1f} % of the lung lies below -950 HU after smoothing (noise "
                f"{e.noise_sd:.0f} HU before, about {e.residual_sd:.0f} HU after).",
            ),
        ),
    )


def study_emphysema(e: Emphysema) -> tuple[Measurement, ...]:
    """Return the emphysema figures of the study; the interval is the error seen on phantoms."""
    half = 1.0 + 0.15 * e.laa950
    limits = (max(0.0, e.laa950 - half), min(100.0, e.laa950 + half))
    method = "share of eroded lung below -950 HU after noise-matched smoothing"
    out = [words.measurement("laa", e.laa950, "%", method, limits)]
    if e.right is not None:
        out.append(words.measurement("laa-right", e.right, "%", method))
    if e.left is not None:
        out.append(words.measurement("laa-left", e.left, "%", method))
    how = "15th percentile of the eroded lung after noise-matched smoothing"
    out.append(words.measurement("perc15", e.perc15, "[hnsf'U]", how, digits=0))
    return tuple(out)


def weight(drawn: Drawn) -> tuple[bool, int, float]:
    """Sort key: masses first, then by Lung-RADS category, then by size; the heaviest first."""
    finding = drawn.finding
    rads = [c.value for c in finding.categories if c.guideline == LUNG_RADS]
    rank = ORDER.index(rads[0]) if rads else -1
    return finding.code != words.MASS, -rank, -finding.measurements[0].value


def number_of(drawn: Sequence[Drawn]) -> int:
    """Return how many findings carry a segment."""
    return sum(d.mask is not None for d in drawn)
