# SPDX-License-Identifier: Apache-2.0
"""Which series of a study is analysed, and why no other."""

from dataclasses import dataclass

from healthvision.clinical.result import ChosenSeries, Text
from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.modelhub.ports import StudyInput

LEAST_IMAGES = 20


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """The loaded series, or None, and the reasons."""

    image: SeriesImage | None
    chosen: ChosenSeries | None
    rejected: tuple[tuple[str, Text], ...]


def _unsuitable(header: SeriesHeader) -> Text | None:
    if header.modality.upper() != "CT":
        return Text(
            zh=f"不是CT（{header.modality or '未知'}）",
            en=f"Not CT ({header.modality or 'unknown'})",
        )
    if any(t.upper() == "LOCALIZER" for t in header.image_type):
        return Text(zh="定位像", en="Localizer")
    if 0 < header.instance_count < LEAST_IMAGES and not header.extra.get("NumberOfFrames"):
        return Text(
            zh=f"仅{header.instance_count}幅影像，至少需要{LEAST_IMAGES}幅",
            en=f"Only {header.instance_count} images, at least {LEAST_IMAGES} needed",
        )
    return None


def _rank(header: SeriesHeader) -> tuple[float, int, str]:
    return (header.slice_thickness_mm or 3.0, -header.instance_count, header.series_uid)


def choose(study: StudyInput) -> Choice:
    """Return the thinnest suitable CT series with most slices that can be loaded."""
    rejected: list[tuple[str, Text]] = []
    suitable = []
    for header in study.series:
        why = _unsuitable(header)
        if why is None:
            suitable.append(header)
        else:
            rejected.append((header.series_uid, why))
    taken: SeriesImage | None = None
    for header in sorted(suitable, key=_rank):
        if taken is not None:
            rejected.append(
                (header.series_uid, Text(zh="层更厚或层数更少", en="Thicker or fewer slices"))
            )
            continue
        try:
            image = study.load(header.series_uid)
        except ValueError as error:
            rejected.append(
                (header.series_uid, Text(zh="无法组成三维影像", en=f"No volume: {error}"))
            )
            continue
        if image.volume.shape[0] < LEAST_IMAGES and min(image.volume.shape) < LEAST_IMAGES:
            rejected.append((header.series_uid, Text(zh="层数过少", en="Too few slices")))
            continue
        taken = image
    if taken is None:
        return Choice(None, None, tuple(rejected))
    h = taken.header
    count = taken.volume.shape[0]
    spacing = taken.volume.spacing[0]
    reason = Text(
        zh=f"适合的CT序列中层最薄、层数最多（{count}层，层间距{spacing:g} mm）",
        en=f"Thinnest suitable CT series with most slices ({count} slices, {spacing:g} mm apart)",
    )
    chosen = ChosenSeries(
        series_uid=h.series_uid,
        frame_of_reference_uid=h.frame_of_reference_uid,
        modality=h.modality,
        description=h.description,
        reason=reason,
        rejected=tuple(rejected),
    )
    return Choice(taken, chosen, tuple(rejected))
