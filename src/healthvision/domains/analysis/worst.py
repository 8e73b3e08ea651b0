# SPDX-License-Identifier: Apache-2.0
"""The most severe category of a result, for lists and events."""

import re

from healthvision.clinical.result import Result

# Severity of Lung-RADS v2022 categories; other guidelines order by their leading number.
_LUNG_RADS = {"0": 1, "1": 2, "2": 3, "3": 4, "4A": 5, "4B": 6, "4X": 7}


def _severity(guideline: str, value: str) -> tuple[int, int, str]:
    first = guideline.startswith("lung-rads")
    if first:
        return 1, _LUNG_RADS.get(value.upper().removesuffix("S"), 0), value
    number = re.match(r"\d+", value)
    return 0, int(number.group()) if number else 0, value


def worst_category(result: Result) -> str:
    """Return 'guideline:value' of the most severe category, '' when there is none.

    A Lung-RADS category is preferred, since it grades the whole examination.
    """
    found = [(c.guideline, c.value) for f in result.findings for c in f.categories]
    if not found:
        return ""
    guideline, value = max(found, key=lambda pair: _severity(*pair))
    return f"{guideline}:{value}"
