# SPDX-License-Identifier: Apache-2.0
"""The view of the film: what its header states, or the caller of the analysis; never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from healthvision.clinical.result import Text
from healthvision.clinical.study import SeriesHeader
from healthvision.plugins.applications.chest_xray.series import FRONTAL, Choice, is_film, view_of

PARAMETER = "view_position"  # of the request


def with_view(
    choice: Choice, series: Sequence[SeriesHeader], parameters: Mapping[str, object]
) -> Choice:
    """Return the choice with the caller's view (PA or AP) where the film's header states none.

    ``series``: all of the study. With two films without a view, or one that states a frontal
    view, nobody can tell which film the caller means, so the choice stays as it is. Neither
    which film is chosen nor what a header states ever changes.
    """
    given = str(parameters.get(PARAMETER, "")).strip().upper()
    if given not in FRONTAL or choice.image is None or choice.chosen is None:
        return choice
    header = choice.image.header
    views = [view_of(one) for one in series if is_film(one)]
    if view_of(header) or views.count("") != 1 or any(view in FRONTAL for view in views):
        return choice
    stated = replace(header, extra={**header.extra, "ViewPosition": given})
    reason = Text(
        zh=f"最适合的胸片（{header.modality}，投照位置由申请者注明：{given}）",
        en=f"Best film ({header.modality}, view stated in the request: {given})",
    )
    return replace(
        choice,
        image=replace(choice.image, header=stated),
        chosen=choice.chosen.model_copy(update={"reason": reason}),
    )
