# SPDX-License-Identifier: Apache-2.0
"""The view of the films: what the header states, or the caller of the analysis; never a guess."""

from collections.abc import Mapping
from dataclasses import replace

from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.modelhub.ports import StudyInput
from healthvision.plugins.applications.chest_xray.series import FRONTAL, view_of

PARAMETER = "view_position"  # of the request


def with_view(study: StudyInput, parameters: Mapping[str, object]) -> StudyInput:
    """Return the study with the caller's view (PA or AP) on films whose header states none.

    Where a header states the other frontal view, the view counts as unknown; one that states a
    view from the side keeps it. Anything but PA and AP leaves the study as it is.
    """
    given = str(parameters.get(PARAMETER, "")).strip().upper()
    if given not in FRONTAL:
        return study

    def load(series_uid: str) -> SeriesImage:
        image = study.load(series_uid)
        return replace(image, header=_stated(image.header, given))

    return StudyInput([_stated(header, given) for header in study.series], load)


def _stated(header: SeriesHeader, given: str) -> SeriesHeader:
    known = view_of(header)
    if known == given or known not in ("", *FRONTAL):
        return header
    view = given if not known else ""
    return replace(header, extra={**header.extra, "ViewPosition": view})
