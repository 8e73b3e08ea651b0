# SPDX-License-Identifier: Apache-2.0
"""Which sequence a head scan is: what its header says and what its tissues show."""

import re
from dataclasses import dataclass

import numpy as np

from healthvision.clinical.brain.extraction import Brain
from healthvision.clinical.brain.scan import Scan
from healthvision.clinical.brain.tissues import Contrast
from healthvision.clinical.chest.grid import distance_mm
from healthvision.clinical.study import SeriesHeader

_OTHER = re.compile(
    r"dwi|dti|diff|adc|trace|swi|t2\W*\*|t2star|gre\b|hemo|perf|asl|bold|fmri|epi\b|mra|tof|angio|"
    r"phase|fieldmap|field.map|mrs|spectro|\bpd\b|localizer|scout|survey|mip",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sequence:
    """``contrast``: what is believed; None when header and tissues contradict or neither knows.

    ``header``: T1, T2, FLAIR, 'other' or None; ``tissues``: by image; ``ratio``: (bright end -
    white matter) / (white matter - dark end), small on T1, large on T2.
    """

    contrast: Contrast | None
    header: str | None
    tissues: Contrast
    ratio: float


def by_header(header: SeriesHeader) -> str | None:
    """Return T1, T2, FLAIR or 'other' from names and times; None when the header does not say."""
    extra = header.extra
    names = " ".join(
        str(v)
        for v in (header.description, extra.get("ProtocolName"), extra.get("SequenceName"))
        if v
    )
    if _OTHER.search(names):
        return "other"
    if re.search(r"flair|dark.?fluid", names, re.IGNORECASE):
        return "FLAIR"
    if re.search(r"t1|mp.?rage|spgr|bravo|fspgr|tfl3d", names, re.IGNORECASE):
        return "T1"
    if re.search(r"t2", names, re.IGNORECASE):
        return "T2"
    return _by_times(extra)


def _by_times(extra: dict[str, str | int | float]) -> str | None:
    """Return the contrast from echo, repetition and inversion time in ms (textbook limits)."""
    echo, again = _number(extra.get("EchoTime")), _number(extra.get("RepetitionTime"))
    inversion = _number(extra.get("InversionTime"))
    if echo is None or again is None:
        return None
    if echo > 60 and again > 5000 and (inversion or 0) > 1500:
        return "FLAIR"
    if echo > 60 and again > 1800:
        return None if inversion is None and again > 7000 else "T2"
    if echo < 30 and (again < 1000 or (inversion is not None and inversion < 1500)):
        return "T1"
    return None


def _number(value: str | int | float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def by_tissues(scan: Scan, brain: Brain) -> tuple[Contrast, float]:
    """Return the contrast by the place of white matter between the darkest and the brightest.

    White matter is the commonest level at 12 to 35 mm below the inner skull.
    """
    depth = distance_mm(~brain.inside, scan.work.spacing)
    middle = brain.level[(depth > 12) & (depth < 35) & brain.mask]
    whole = brain.level[brain.inside]
    low, high = np.percentile(whole, [1.5, 98.5])
    counts, edges = np.histogram(middle, 60, (float(low), float(high)))
    smooth = np.convolve(counts, np.ones(5) / 5, mode="same")
    k = int(np.argmax(smooth))
    white = float((edges[k] + edges[k + 1]) / 2)
    ratio = float((high - white) / max(white - float(low), 1e-6))
    if ratio > 1.5:
        return "T2", ratio
    return ("FLAIR" if ratio > 0.38 else "T1"), ratio


def find_sequence(scan: Scan, brain: Brain, header: SeriesHeader) -> Sequence:
    """Return the sequence; a contradiction between header and tissues gives no contrast."""
    said = by_header(header)
    seen, ratio = by_tissues(scan, brain)
    agreed = said is None or said == seen
    return Sequence(seen if agreed else None, said, seen, ratio)
