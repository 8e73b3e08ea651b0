# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says about the DICOMweb operations."""

from typing import Any, TypedDict

from healthvision.interfaces.dicomweb.negotiation import (
    DICOM,
    DICOM_JSON,
    FRAME_MEDIA,
    GIF,
    HTML,
    JPEG,
    MP4,
    MULTIPART,
    OCTETS,
    PDF,
    PNG,
    ZIP,
)
from healthvision.kernel.http import COMMON_RESPONSES
from healthvision.kernel.schemas import ProblemDocument

Responses = dict[int | str, dict[str, Any]]


class Described(TypedDict):
    """What a route says about itself."""

    responses: Responses
    openapi_extra: dict[str, Any]


BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
DATA_SET: dict[str, Any] = {"schema": {"type": "object", "additionalProperties": True}}
DATA_SETS: dict[str, Any] = {"schema": {"type": "array", "items": DATA_SET["schema"]}}
_JSON_SETS = {DICOM_JSON: DATA_SETS, "application/json": DATA_SETS}


def _problem(text: str) -> dict[str, Any]:
    problem: dict[str, Any] = {"application/problem+json": {}}
    return {"description": text, "model": ProblemDocument, "content": problem}


_READ: Responses = {
    **{s: COMMON_RESPONSES[s] for s in (400, 401, 403, 404, 422, 429, 503)},
    406: _problem("None of the accepted media types can be made"),
}
_RANGE: Responses = {
    206: {"description": "The asked byte range", "content": {OCTETS: BINARY, DICOM: BINARY}},
    416: _problem("The range lies outside of the bytes"),
}
_FRAMES = {m: BINARY for m in (OCTETS, MULTIPART, *sorted(set(FRAME_MEDIA.values())))}

SEARCH: Responses = {
    200: {
        "description": "The matches, also when there are none",
        "content": _JSON_SETS,
        "headers": {
            "X-Total-Count": {
                "description": "Number of all matches, or at least so many",
                "schema": {"type": "integer"},
            },
            "X-Total-Count-Relation": {
                "description": "'eq': the number is exact; 'gte': not all were counted",
                "schema": {"type": "string", "enum": ["eq", "gte"]},
            },
            "Link": {
                "description": "rel=next: the following page, by keys",
                "schema": {"type": "string"},
            },
            "Warning": {
                "description": "299: more matches than were returned, or keys not searched by",
                "schema": {"type": "string"},
            },
        },
    },
    **_READ,
}
INSTANCES: Responses = {
    200: {
        "description": "The instances",
        "content": {MULTIPART: BINARY, DICOM: BINARY, ZIP: BINARY},
    },
    **_READ,
    **_RANGE,
}
FRAMES: Responses = {200: {"description": "The frames", "content": _FRAMES}, **_READ}
BULK: Responses = {
    200: {"description": "The value", "content": {MULTIPART: BINARY, OCTETS: BINARY}},
    **_READ,
    **_RANGE,
}
METADATA: Responses = {200: {"description": "The metadata", "content": _JSON_SETS}, **_READ}
PICTURE: Responses = {
    200: {
        "description": "The picture, film or document",
        "content": {k: BINARY for k in (JPEG, PNG, GIF, MP4, PDF, HTML, MULTIPART)},
    },
    **_READ,
}
DELETE: Responses = {
    204: {"description": "Deleted; purged later"},
    **_READ,
    409: COMMON_RESPONSES[409],
}
_STORED = {DICOM_JSON: DATA_SET}
STORE: Responses = {
    200: {"description": "All instances are stored", "content": _STORED},
    202: {"description": "Some were refused, or stored with a warning", "content": _STORED},
    409: {
        "description": "None was stored",
        "content": {**_STORED, "application/problem+json": {}},
    },
    **{s: COMMON_RESPONSES[s] for s in (400, 401, 403, 404, 413, 422, 429, 503, 507)},
    406: _READ[406],
    415: _problem("The body is neither multipart/related of application/dicom nor one instance"),
}
STORE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            f'{MULTIPART}; type="{DICOM}"': BINARY,
            f'{MULTIPART}; type="{DICOM_JSON}"': BINARY,
            DICOM: BINARY,
            OCTETS: BINARY,
            ZIP: BINARY,
        },
    }
}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


_TEXT = {"type": "string", "maxLength": 64, "pattern": r"^[A-Za-z0-9 .^*?_-]*$"}
_DATE = {"type": "string", "pattern": r"^\d{8}(-\d{8})?$", "examples": ["20240101-20241231"]}
_FIELD = {"type": "string", "enum": ["all", "StudyDescription", "00081030"]}
_WINDOW = {
    "type": "string",
    "pattern": r"^-?\d{1,5},[1-9]\d{0,4}(,(linear|linear-exact|sigmoid))?$",
}
_SIZE = {"type": "string", "pattern": r"^[1-9]\d{0,2},[1-9]\d{0,2}$", "examples": ["512,512"]}
_NOTES = {"type": "string", "enum": ["patient", "technique"]}
_PROFILES = {"type": "string", "enum": ["no", "srgb"]}
_SKIP = {"type": "integer", "minimum": 0, "maximum": 10**7}
SEARCH_PARAMETERS: dict[str, Any] = {
    "parameters": [
        _query("limit", "Most matches to return", _SKIP),
        _query("offset", "Matches to skip", _SKIP),
        _query("includefield", "Further attributes by keyword or tag, or 'all'", _FIELD),
        _query("fuzzymatching", "Match names by the start of any word", {"type": "boolean"}),
        _query("PatientName", "Any attribute by keyword or tag; * and ? are wildcards", _TEXT),
        _query("PatientID", "Exact, or with wildcards", _TEXT),
        _query("StudyDate", "YYYYMMDD, or a range such as 20240101-20241231", _DATE),
        _query("AccessionNumber", "Exact, or with wildcards", _TEXT),
        _query("ModalitiesInStudy", "E.g. CT", _TEXT),
    ]
}
_PICTURE = [
    _query("window", "center,width[,linear|linear-exact|sigmoid]", _WINDOW),
    _query("viewport", "width,height in pixels[,left,top,width,height of the region]", _SIZE),
    _query(
        "annotation", "Written on the picture", {"type": "string", "enum": ["patient", "technique"]}
    ),
    _query("iccprofile", "Colours go out as sRGB", {"type": "string", "enum": ["no", "srgb"]}),
    _query("quality", "JPEG quality", {"type": "integer", "minimum": 1, "maximum": 100}),
]


def _accept(*media: str) -> dict[str, Any]:
    text = "Media types, instead of the Accept header (PS3.18 8.3.3.1)"
    return _query("accept", text, {"type": "string", "enum": list(media)})


_ORIGINAL = _query(
    "original",
    "Objects as they were received, without corrections; needs studies:original",
    {"type": "boolean"},
)
PICTURE_PARAMETERS: dict[str, Any] = {"parameters": [*_PICTURE, _accept(JPEG, PNG, GIF)]}
ACCEPT_INSTANCES: dict[str, Any] = {
    "parameters": [_accept(f'{MULTIPART}; type="{DICOM}"'), _ORIGINAL]
}
ACCEPT_INSTANCE: dict[str, Any] = {
    "parameters": [
        _accept(f'{MULTIPART}; type="{DICOM}"', DICOM, f"{DICOM}; transfer-syntax=*"),
        _ORIGINAL,
    ]
}
ACCEPT_OCTETS: dict[str, Any] = {
    "parameters": [_accept(f'{MULTIPART}; type="{OCTETS}"; transfer-syntax=*')]
}
ACCEPT_JSON: dict[str, Any] = {"parameters": [_accept(DICOM_JSON, "application/json"), _ORIGINAL]}
