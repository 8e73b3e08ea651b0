# SPDX-License-Identifier: Apache-2.0
"""From the reading of a head to findings with words, pictures and segments."""

import hashlib
from dataclasses import dataclass

import numpy as np

from healthvision.clinical.brain.lesions import Grown, Hyperintensities
from healthvision.clinical.brain.pipeline import HeadReading
from healthvision.clinical.brain.symmetry import Atypical
from healthvision.clinical.brain.ventricles import EvansIndex, Ventricles
from healthvision.clinical.guidelines.bone_aorta_brain import EVANS
from healthvision.clinical.result import (
    Category,
    Code,
    Confidence,
    EvidenceLevel,
    Explanation,
    Finding,
    Laterality,
    Location,
    Measurement,
    OverlayRef,
    Text,
)
from healthvision.clinical.study import KeyImage, SeriesImage
from healthvision.clinical.volume import BoolArray
from healthvision.plugins.applications.brain_mri import words
from healthvision.plugins.applications.brain_mri.drawing import Line, key_image, original_slice

MEASURED = Text(
    zh="这是测量值而非分类，误差见区间",
    en="This is a measurement and no classification; see its interval",
)
NOT_CALIBRATED = Text(
    zh="没有校准数据，不给出概率", en="No calibration data, so no probability is given"
)
EVANS_ERROR = 0.015  # largest error seen on phantoms, rounded up


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A finding with its picture; ``mask``: bool of ``Scan.work``; ``type``: of its segment."""

    finding: Finding
    key: KeyImage
    mask: BoolArray
    type: Code


def tracking_uid(series_uid: str, name: str) -> str:
    """Return a DICOM UID that is the same for the same finding of the same series."""
    digest = hashlib.sha256(f"healthvision/brain-mri/{series_uid}/{name}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _section(mask: BoolArray) -> int:
    return int(np.argmax(mask.sum(axis=(1, 2))))


def _place(
    image: SeriesImage, reading: HeadReading, mask: BoolArray, region: Text, *, sided: bool
) -> Location:
    scan = reading.scan
    section = _section(mask)
    y, x = np.argwhere(mask[section]).mean(axis=0)
    lps = scan.work.to_lps((section, float(y), float(x)))
    slices, index = image.slices, original_slice(scan, section)
    ref = slices[index] if 0 <= index < len(slices) else None
    side: Laterality | None = None
    if sided and reading.plane is not None:
        offset = reading.plane.side_mm(scan.work.shape, scan.work.spacing)
        side = Laterality.LEFT if float(offset[mask].mean()) > 0 else Laterality.RIGHT
    return Location(
        position_lps_mm=(round(lps[0], 2), round(lps[1], 2), round(lps[2], 2)),
        series_uid=image.header.series_uid,
        sop_instance_uid=None if ref is None else ref.sop_instance_uid,
        frame_number=None if ref is None else ref.frame_number,
        region=region,
        region_code=words.BRAIN,
        laterality=side,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Story:
    """What differs between the kinds of findings."""

    name: str
    code: Code
    label: Text
    why: Text
    method: str
    reason: Text
    measurements: tuple[Measurement, ...]
    categories: tuple[Category, ...] = ()
    lines: tuple[Line, ...] = ()
    section: int | None = None


def _drawn(
    image: SeriesImage,
    reading: HeadReading,
    mask: BoolArray,
    place: Location,
    story: _Story,
    segment: int,
) -> Drawn:
    section = _section(mask) if story.section is None else story.section
    key = key_image(
        reading.scan,
        section,
        (mask,),
        f"key-{story.name}",
        story.label,
        tracking=story.name,
        lines=story.lines,
    )
    finding = Finding(
        tracking_id=story.name,
        tracking_uid=tracking_uid(image.header.series_uid, story.name),
        code=story.code,
        label=story.label,
        location=place,
        measurements=story.measurements,
        categories=story.categories,
        confidence=Confidence(value=None, reason_absent=story.reason, method=story.method),
        evidence_level=EvidenceLevel.E1,
        explanation=Explanation(
            method=story.method,
            text=story.why,
            overlay=OverlayRef(segment=segment, images=(f"key-{story.name}.png",)),
        ),
    )
    return Drawn(finding, key, mask, story.code)


def _both(zh: str, en: str, figure: str) -> Text:
    """Return the same figure behind words in both languages."""
    return Text(zh=zh + figure, en=en + figure)


def evans_lines(evans: EvansIndex) -> tuple[Line, ...]:
    """Return the two lines that were measured."""
    return (
        Line((evans.row, evans.columns[0]), (evans.row, evans.columns[1])),
        Line((evans.skull_row, evans.skull_columns[0]), (evans.skull_row, evans.skull_columns[1])),
    )


def evans_measurements(evans: EvansIndex) -> tuple[Measurement, ...]:
    """Return the index with its error on phantoms, and the two widths."""
    limits = (evans.value - EVANS_ERROR, evans.value + EVANS_ERROR)
    method = "half-level crossings on the section of the widest frontal horns"
    return (
        words.measurement("evans", evans.value, "1", method, limits, digits=3),
        words.measurement("horns", evans.horns_mm, "mm", method),
        words.measurement("skull", evans.skull_mm, "mm", method),
    )


def ventricle_finding(
    image: SeriesImage, reading: HeadReading, ventricles: Ventricles, segment: int
) -> Drawn | None:
    """Return wide ventricles as a finding; None when the Evans index does not exceed 0.30."""
    evans = ventricles.evans
    if evans is None or not 0.05 <= evans.value <= 0.9:
        return None
    category = EVANS.grade(round(evans.value, 3))
    if category.value != "enlarged":
        return None
    story = _Story(
        "ventricles",
        words.WIDE_VENTRICLES,
        _both("脑室增大，Evans ", "wide ventricles, Evans ", f"{evans.value:.2f}"),
        Text(
            zh=f"额角最宽{evans.horns_mm:.1f} mm，同层颅腔内径{evans.skull_mm:.1f} mm，"
            f"比值{evans.value:.3f}；随年龄增大，需结合临床。",
            en=f"Frontal horns {evans.horns_mm:.1f} mm over inner skull {evans.skull_mm:.1f} mm on "
            f"the same section is {evans.value:.3f}; it rises with age, read with the patient.",
        ),
        "Evans index",
        MEASURED,
        (*evans_measurements(evans),
         words.measurement("ventricles", ventricles.ml, "mL", "fluid at the middle of the brain")),
        (category,),
        evans_lines(evans),
        evans.section,
    )  # fmt: skip
    place = _place(
        image, reading, ventricles.mask, Text(zh="侧脑室", en="lateral ventricles"), sided=False
    )
    return _drawn(image, reading, ventricles.mask, place, story, segment)


def spots_finding(
    image: SeriesImage, reading: HeadReading, spots: Hyperintensities, segment: int
) -> Drawn | None:
    """Return white matter hyperintensities as one finding; None without any."""
    if spots.count == 0:
        return None
    method = "FLAIR signal above grey matter, hysteresis, 9 mm or more within the skull"
    story = _Story(
        "hyperintensities",
        words.HYPERINTENSITY,
        _both("白质高信号 ", "white matter hyperintensities ", f"{spots.ml:.1f} mL"),
        Text(
            zh=f"FLAIR上{spots.count}处信号明显高于灰质；原因未定，未作Fazekas分级。",
            en=f"{spots.count} spots clearly brighter than grey matter on FLAIR; the cause is not "
            "determined and no Fazekas grade is given.",
        ),
        "robust level of grey matter",
        MEASURED,
        (
            words.measurement("hyperintensity", spots.ml, "mL", method, spots.interval_ml),
            words.measurement("hyperintensity-count", spots.count, "{count}", method, digits=0),
        ),
    )  # fmt: skip
    place = _place(image, reading, spots.mask, Text(zh="脑白质", en="white matter"), sided=False)
    return _drawn(image, reading, spots.mask, place, story, segment)


def atypical_finding(
    image: SeriesImage, reading: HeadReading, region: Atypical, number: int, segment: int
) -> Drawn:
    """Return a region unlike the other side; neither a cause nor a tumour is named."""
    zh, en = ("亮", "brighter") if region.brighter else ("暗", "darker")
    method = "difference from the neighbourhood of the mirrored place"
    story = _Story(
        f"atypical-{number}",
        words.ATYPICAL,
        Text(zh=f"非典型区域 {region.ml:.1f} mL，原因未定",
             en=f"atypical region {region.ml:.1f} mL, cause not determined"),
        Text(
            zh=f"此处比对侧相应部位及其周围更{zh}；原因与性质未定，范围可能被低估。",
            en=f"This place is {en} than all near its mirrored place; cause and nature are not "
            "determined, and it may be larger than drawn.",
        ),
        method,
        NOT_CALIBRATED,
        (words.measurement("region", region.ml, "mL", method),),
    )  # fmt: skip
    place = _place(image, reading, region.mask, Text(zh="大脑", en="brain"), sided=True)
    return _drawn(image, reading, region.mask, place, story, segment)


def grown_finding(
    image: SeriesImage, reading: HeadReading, grown: Grown, mask: BoolArray, segment: int
) -> Drawn:
    """Return the lesion grown from the doctor's mark; ``mask``: of ``Scan.work``."""
    method = "grown from the mark, three cuts"
    story = _Story(
        "lesion-1",
        words.GROWN,
        Text(zh=f"标记病灶 {grown.ml:.1f} mL", en=f"marked lesion {grown.ml:.1f} mL"),
        Text(
            zh="从医生标记点按信号生长；性质未定，请核对轮廓。",
            en="Grown from the doctor's mark by its signal; nature not determined, check it.",
        ),
        method,
        MEASURED,
        (words.measurement("lesion", grown.ml, "mL", method, grown.interval_ml),),
    )
    place = _place(image, reading, mask, Text(zh="大脑", en="brain"), sided=True)
    return _drawn(image, reading, mask, place, story, segment)
