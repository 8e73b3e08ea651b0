# SPDX-License-Identifier: Apache-2.0
"""Which series of a study is analysed, and why no other."""

from dataclasses import dataclass

from healthvision.clinical.brain.sequence import by_header
from healthvision.clinical.result import ChosenSeries, Text
from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.modelhub.ports import StudyInput

LEAST_IMAGES = 15
_ORDER = ("T1", "FLAIR", "T2", None)


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """The loaded series, or None, and the reasons."""

    image: SeriesImage | None
    chosen: ChosenSeries | None
    rejected: tuple[tuple[str, Text], ...]


def _unsuitable(header: SeriesHeader) -> Text | None:
    if header.modality.upper() != "MR":
        name = header.modality or "unknown"
        return Text(zh=f"不是MR（{name}）", en=f"Not MR ({name})")
    if by_header(header) == "other":
        return Text(zh="不是T1、T2或FLAIR序列", en="Neither T1, T2 nor FLAIR")
    if 0 < header.instance_count < LEAST_IMAGES and not header.extra.get("NumberOfFrames"):
        return Text(
            zh=f"仅{header.instance_count}幅影像，至少需要{LEAST_IMAGES}幅",
            en=f"Only {header.instance_count} images, at least {LEAST_IMAGES} needed",
        )
    return None


def _rank(header: SeriesHeader) -> tuple[int, int, float, int, str]:
    given = header.contrast_agent is not None
    return (
        _ORDER.index(by_header(header)),
        int(given),
        header.slice_thickness_mm or 3.0,
        -header.instance_count,
        header.series_uid,
    )


def choose(study: StudyInput, wanted: str | None) -> Choice:
    """Return the best head series: T1 before FLAIR before T2, without contrast agent, thinnest.

    ``wanted``: a series UID that the caller insists on, or None.
    """
    rejected: list[tuple[str, Text]] = []
    suitable = []
    for header in study.series:
        why = _unsuitable(header)
        if why is None and wanted is not None and header.series_uid != wanted:
            why = Text(zh="未被指定", en="Not the series asked for")
        if why is None:
            suitable.append(header)
        else:
            rejected.append((header.series_uid, why))
    taken: SeriesImage | None = None
    for header in sorted(suitable, key=_rank):
        if taken is not None:
            later = Text(zh="优先级较低的序列", en="Another series fits better")
            rejected.append((header.series_uid, later))
            continue
        try:
            taken = study.load(header.series_uid)
        except ValueError as error:
            reason = Text(zh="无法组成三维影像", en=f"No volume: {error}")
            rejected.append((header.series_uid, reason))
    if taken is None:
        return Choice(None, None, tuple(rejected))
    return Choice(taken, _chosen(taken, tuple(rejected)), tuple(rejected))


def _chosen(image: SeriesImage, rejected: tuple[tuple[str, Text], ...]) -> ChosenSeries:
    h = image.header
    kind = by_header(h) or "MR"
    count = max(h.instance_count, 1)
    return ChosenSeries(
        series_uid=h.series_uid,
        frame_of_reference_uid=h.frame_of_reference_uid,
        modality=h.modality,
        description=h.description,
        reason=Text(
            zh=f"最适合的序列（{kind}，{count}幅）",
            en=f"Best series ({kind}, {count} images)",
        ),
        rejected=rejected,
    )
