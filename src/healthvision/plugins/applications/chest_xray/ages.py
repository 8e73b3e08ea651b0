# SPDX-License-Identifier: Apache-2.0
"""The patient's age: what the header states, or the caller of the analysis; never a guess."""

from collections.abc import Mapping
from dataclasses import replace

from healthvision.clinical.study import SeriesImage

PARAMETER = "patient_age_years"  # of the request
OLDEST = 130


def with_age(image: SeriesImage, parameters: Mapping[str, object]) -> SeriesImage:
    """Return the film with the caller's age where its header states none that can be read.

    An age of the caller that is no whole number of years is 'unreadable'; one more than a year
    from the header's 'disagrees', and the header's stays.
    """
    given = parameters.get(PARAMETER)
    if given is None:
        return image
    header = image.header
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= OLDEST:
        return replace(image, header=replace(header, age_doubt="unreadable"))
    known = header.patient_age_years
    if known is not None and abs(known - given) > 1:
        return replace(image, header=replace(header, age_doubt="disagrees"))
    if header.age_doubt == "disagrees":
        return image
    age = given if known is None else known
    return replace(image, header=replace(header, patient_age_years=age, age_doubt=""))
