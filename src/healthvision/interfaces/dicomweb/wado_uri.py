# SPDX-License-Identifier: Apache-2.0
"""WADO-URI (PS3.18 9): one instance by query parameters, at ``/dicomweb/{space}/wado``.

Every parameter is obeyed or refused, none is ignored: ``anonymize`` is refused, since a copy that
is only almost anonymous is worse than none.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from healthvision.formats.dicom.render import MAX_VIEWPORT
from healthvision.interfaces.dicomweb import documents, pictures, retrieve
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.media import parse_accept
from healthvision.interfaces.dicomweb.paths import Slug, target_of
from healthvision.interfaces.dicomweb.query import BadParameter

router = APIRouter(default_response_class=Response)
_KNOWN = frozenset(
    {
        "requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset",
        "anonymize", "annotation", "rows", "columns", "region", "windowCenter", "windowWidth",
        "frameNumber", "imageQuality", "transferSyntax",
    }
)  # fmt: skip
_RESPONSES: documents.Responses = {
    **documents.PICTURE,
    200: {
        "description": "The instance or its picture",
        "content": {**documents.PICTURE[200]["content"], agree.DICOM: documents.BINARY},
    },
    **{s: documents.INSTANCES[s] for s in (206, 416)},
}
UidQuery = Annotated[str, Query(max_length=64, pattern=r"^[0-9.]+$")]


def _optional(**schema: Any) -> dict[str, Any]:
    return {"type": "string", **schema}


_NUMBER = {"type": "integer", "minimum": 1, "maximum": MAX_VIEWPORT}
_EXTRA = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (
            ("contentType", _optional(enum=[agree.DICOM, agree.JPEG, agree.PNG])),
            ("transferSyntax", _optional(enum=[agree.EXPLICIT_LE])),
            ("frameNumber", {"type": "integer", "minimum": 1}),
            ("rows", _NUMBER),
            ("columns", _NUMBER),
            ("region", _optional(examples=["0.25,0.25,0.75,0.75"])),
            ("windowCenter", {"type": "number"}),
            ("windowWidth", {"type": "number", "exclusiveMinimum": 0}),
            ("imageQuality", {"type": "integer", "minimum": 1, "maximum": 100}),
            ("annotation", _optional(enum=["patient", "technique"])),
        )
    ]
}


@router.get("/wado", responses=_RESPONSES, openapi_extra=_EXTRA)
async def wado_uri(
    request: Request,
    space: Slug,
    studyUID: UidQuery,
    seriesUID: UidQuery,
    objectUID: UidQuery,
) -> Response:
    """Retrieve one instance or its picture by query parameters (WADO-URI)."""
    given = request.query_params
    target = await target_of(request, space, studyUID, seriesUID, objectUID)
    check_parameters(given)
    accepted = parse_accept(given.get("contentType") or request.headers.get("accept", ""))
    if any(wanted.name == agree.DICOM for wanted in accepted):
        syntax = given.get("transferSyntax") or agree.ANY
        return await retrieve.one_instance(request, target, syntax)
    return await pictures.rendered_as(
        target, accepted, await _as_rendered(target, given), given.get("frameNumber")
    )


def check_parameters(given: Mapping[str, str]) -> None:
    """Raise BadParameter for an unknown parameter, another request type, or ``anonymize``."""
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise BadParameter(f"unknown parameter {unknown[0]!r}", parameter=unknown[0])
    if given.get("requestType") != "WADO":
        raise BadParameter("requestType must be WADO", parameter="requestType")
    if given.get("anonymize", "no") != "no":
        raise BadParameter(
            "copies without identity are not made here; ask for a de-identified export",
            parameter="anonymize",
        )


async def _as_rendered(target: retrieve.Target, given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters as rendered resources of WADO-RS name them."""
    out: dict[str, str] = {}
    if given.get("annotation"):
        out["annotation"] = given["annotation"]
    if given.get("imageQuality"):
        out["quality"] = given["imageQuality"]
    center, width = given.get("windowCenter"), given.get("windowWidth")
    if (center is None) != (width is None):
        raise BadParameter("windowCenter and windowWidth go together", parameter="windowCenter")
    if center is not None:
        out["window"] = f"{center},{width}"
    viewport = await _viewport(target, given)
    return {**out, "viewport": viewport} if viewport else out


async def _viewport(target: retrieve.Target, given: Mapping[str, str]) -> str:
    rows, columns = given.get("rows", ""), given.get("columns", "")
    size = f"{columns or MAX_VIEWPORT},{rows or MAX_VIEWPORT}"
    region = given.get("region")
    if not region:
        return size if rows or columns else ""
    _, (ref, *_) = await target.refs()
    crop = region_of(region, ref.columns or 1, ref.rows or 1)
    if not (rows or columns):
        size = f"{crop[2]},{crop[3]}"
    return f"{size},{','.join(str(n) for n in crop)}"


def region_of(text: str, columns: int, rows: int) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) of a region in parts of 1; raises BadParameter."""
    try:
        x0, y0, x1, y1 = (float(n) for n in text.split(","))
    except ValueError:
        x0, y0, x1, y1 = 1.0, 1.0, 0.0, 0.0
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise BadParameter("region must be xmin,ymin,xmax,ymax from 0 to 1", parameter="region")
    left, top = int(x0 * columns), int(y0 * rows)
    return left, top, max(1, round(x1 * columns) - left), max(1, round(y1 * rows) - top)
