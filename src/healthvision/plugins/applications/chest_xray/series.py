# SPDX-License-Identifier: Apache-2.0
"""Which series of a study is analysed, and why no other."""

from dataclasses import dataclass

from healthvision.clinical.result import ChosenSeries, Text
from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.modelhub.ports import StudyInput

FILMS = frozenset({"DX", "CR", "DR", "RG"})
PICTURES = frozenset({"OT", "SC", "XC"})  # photographs, scans and exports of films
FRONTAL = ("PA", "AP")


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """The loaded series, or None, and the reasons."""

    image: SeriesImage | None
    chosen: ChosenSeries | None
    rejected: tuple[tuple[str, Text], ...]


def view_of(header: SeriesHeader) -> str:
    """Return View Position (0018,5101) in capitals, '' when absent."""
    return str(header.extra.get("ViewPosition", "")).strip().upper()


def _unsuitable(header: SeriesHeader) -> Text | None:
    modality = header.modality.upper()
    if modality not in FILMS | PICTURES:
        name = header.modality or "unknown"
        return Text(zh=f"不是X线片（{name}）", en=f"No radiograph ({name})")
    frames = header.extra.get("NumberOfFrames", 1)
    if isinstance(frames, int | float) and frames > 1:
        return Text(zh="多帧影像", en="More than one frame")
    return None


def is_film(header: SeriesHeader) -> bool:
    """Tell whether a series may be chosen, as far as its header says."""
    return _unsuitable(header) is None


def _rank(header: SeriesHeader) -> tuple[int, int, str]:
    view = view_of(header)
    order = FRONTAL.index(view) if view in FRONTAL else (2 if not view else 3)
    return (order, int(header.modality.upper() in PICTURES), header.series_uid)


def choose(study: StudyInput) -> Choice:
    """Return the frontal film: PA before AP before unknown, films before pictures."""
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
                (header.series_uid, Text(zh="另一序列更适合", en="Another film fits better"))
            )
            continue
        try:
            taken = study.load(header.series_uid)
        except ValueError as error:
            rejected.append((header.series_uid, Text(zh="无法读取影像", en=f"No film: {error}")))
            continue
        if taken.volume.shape[0] != 1:
            taken = None
            why = Text(zh="多幅断层影像，不是X线片", en="Several slices, no radiograph")
            rejected.append((header.series_uid, why))
    if taken is None:
        return Choice(None, None, tuple(rejected))
    h = taken.header
    view = view_of(h) or "unknown view"
    chosen = ChosenSeries(
        series_uid=h.series_uid,
        frame_of_reference_uid=h.frame_of_reference_uid,
        modality=h.modality,
        description=h.description,
        reason=Text(
            zh=f"最适合的胸片（{h.modality}，{view_of(h) or '投照位置未知'}）",
            en=f"Best film ({h.modality}, {view})",
        ),
        rejected=tuple(rejected),
    )
    return Choice(taken, chosen, tuple(rejected))
