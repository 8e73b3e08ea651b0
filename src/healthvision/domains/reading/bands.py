# SPDX-License-Identifier: Apache-2.0
"""Bands of size and confidence in which statistics count verdicts."""

from healthvision.clinical.result import Finding

_SIZES = ((4.0, "<4 mm"), (6.0, "4-6 mm"), (8.0, "6-8 mm"), (15.0, "8-15 mm"))
_LARGEST = "≥15 mm"
_CONFIDENCES = ((0.5, "<50 %"), (0.7, "50-70 %"), (0.9, "70-90 %"))
_SUREST = "≥90 %"
UNKNOWN = "-"

SIZE_BANDS = (*(name for _, name in _SIZES), _LARGEST, UNKNOWN)
CONFIDENCE_BANDS = (*(name for _, name in _CONFIDENCES), _SUREST, UNKNOWN)


def size_of(finding: Finding) -> float | None:
    """Return the first measurement in millimetres, which is how our applications give size."""
    return next((m.value for m in finding.measurements if m.unit == "mm"), None)


def size_band(size_mm: float | None) -> str:
    """Return the band of a size; the lower limit belongs to a band."""
    if size_mm is None:
        return UNKNOWN
    return next((name for limit, name in _SIZES if size_mm < limit), _LARGEST)


def confidence_band(value: float | None) -> str:
    """Return the band of a confidence (0 to 1); the lower limit belongs to a band."""
    if value is None:
        return UNKNOWN
    return next((name for limit, name in _CONFIDENCES if value < limit), _SUREST)


def category_of(finding: Finding) -> str:
    """Return 'guideline:value' of the first category, '' when there is none."""
    first = next(iter(finding.categories), None)
    return "" if first is None else f"{first.guideline}:{first.value}"
