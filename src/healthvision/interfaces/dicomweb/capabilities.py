# SPDX-License-Identifier: Apache-2.0
"""What the DICOMweb door of a space can do (PS3.18 8.9), read from the routes themselves.

``GET`` and ``OPTIONS /dicomweb/{space}`` answer with WADL, or with the same as JSON. Since the
list is made from the router, nothing is told that is not there.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from healthvision.domains.spaces import service as spaces
from healthvision.interfaces.dicomweb import negotiation as agree
from healthvision.interfaces.dicomweb.media import first_match
from healthvision.interfaces.dicomweb.metadata import to_json
from healthvision.interfaces.dicomweb.retrieve import root_of
from healthvision.kernel.errors import NotAcceptable
from healthvision.kernel.http import authenticate, database_of, error_responses

WADL = "application/vnd.sun.wadl+xml"
_NAMES = (WADL, "application/json", agree.DICOM_JSON)
_ROOT = "/dicomweb/{space}"
_WADL_NAMESPACE = "http://wadl.dev.java.net/2009/02"
router = APIRouter(tags=["image"])
Slug = Annotated[str, Path(max_length=100, description="Slug or id of the space.")]
_TOLD: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The capabilities",
        "content": {
            WADL: {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object", "additionalProperties": True}},
        },
    },
    **error_responses(400, 401, 403, 404, 406, 422, 429, 503),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one resource, as the OpenAPI document tells it."""

    path: str  # below the space
    method: str
    name: str
    parameters: tuple[str, ...]
    media: tuple[str, ...]


def operations(document: dict[str, Any]) -> list[Operation]:
    """Return the DICOMweb operations of an OpenAPI document, by path."""
    found = []
    for path, methods in document["paths"].items():
        if not path.startswith(_ROOT):
            continue
        for method, told in methods.items():
            content = (c for r in _successes(told["responses"]) for c in r.get("content", {}))
            query = (p["name"] for p in told.get("parameters", []) if p["in"] == "query")
            own = Operation(
                path[len(_ROOT) :] or "/",
                method.upper(),
                str(told["operationId"]),
                tuple(dict.fromkeys(query)),
                tuple(dict.fromkeys(content)),
            )
            found.append(own)
    return sorted(found, key=lambda o: (o.path, o.method))


def _successes(responses: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (told for status, told in responses.items() if str(status).startswith("2"))


def to_wadl(base: str, found: Iterable[Operation]) -> bytes:
    """Return the operations as a WADL document."""
    application = Element("application", {"xmlns": _WADL_NAMESPACE})
    resources = SubElement(application, "resources", {"base": base})
    known: dict[str, Element] = {}
    for operation in found:
        resource = known.get(operation.path)
        if resource is None:
            resource = SubElement(resources, "resource", {"path": operation.path.lstrip("/")})
            known[operation.path] = resource
            for name in re.findall(r"\{(\w+)(?::\w+)?\}", operation.path):
                SubElement(resource, "param", {"name": name, "style": "template"})
        method = SubElement(resource, "method", {"name": operation.method, "id": operation.name})
        asked = SubElement(method, "request")
        for name in operation.parameters:
            SubElement(asked, "param", {"name": name, "style": "query"})
        answered = SubElement(method, "response")
        for media in operation.media:
            SubElement(answered, "representation", {"mediaType": media})
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(application)


def to_document(base: str, found: Iterable[Operation]) -> dict[str, Any]:
    """Return the operations as JSON: path -> method -> name, parameters, media types."""
    resources: dict[str, dict[str, Any]] = {}
    for operation in found:
        resources.setdefault(operation.path, {})[operation.method] = {
            "name": operation.name,
            "parameters": list(operation.parameters),
            "media": list(operation.media),
        }
    return {"base": base, "resources": resources}


@router.get(_ROOT, responses=_TOLD)
async def retrieve_capabilities(request: Request, space: Slug) -> Response:
    """Tell what can be asked of this space's DICOMweb root."""
    actor = await authenticate(request, "dicomweb")
    media = first_match(agree.accepted_by(request), _NAMES)
    if media is None:
        raise NotAcceptable("offered: " + ", ".join(_NAMES))
    async with database_of(request).reading() as session:
        await spaces.get(session, actor, space)
    found, base = operations(request.app.openapi()), root_of(request, space)
    headers = {"Allow": "GET, HEAD, OPTIONS"}
    if media == WADL:
        return Response(to_wadl(base, found), headers=headers, media_type=WADL)
    return Response(to_json(to_document(base, found)), headers=headers, media_type=media)


@router.options(_ROOT, responses=_TOLD)
async def ask_capabilities(request: Request, space: Slug) -> Response:
    """Tell what can be asked of this space's DICOMweb root."""
    return await retrieve_capabilities(request, space)
