# SPDX-License-Identifier: Apache-2.0
"""What the OpenAPI document says about work items."""

from typing import Any

from healthvision.interfaces.dicomweb.negotiation import DICOM_JSON
from healthvision.kernel.http import COMMON_RESPONSES, error_responses
from healthvision.kernel.schemas import ProblemDocument

Responses = dict[int | str, dict[str, Any]]
_SET: dict[str, Any] = {"type": "object", "additionalProperties": True}
_SETS: dict[str, Any] = {"schema": {"type": "array", "items": _SET}}
_ERRORS: Responses = {s: COMMON_RESPONSES[s] for s in (400, 401, 403, 404, 422, 429, 503)}
_NOT_ACCEPTABLE: dict[str, Any] = {
    "description": "None of the accepted media types can be made",
    "model": ProblemDocument,
    "content": {"application/problem+json": {}},
}
_WRITE: Responses = {
    **_ERRORS,
    **{s: COMMON_RESPONSES[s] for s in (409, 413, 507)},
    **error_responses(415),
}
_WARNING = {"Warning": {"description": "299", "schema": {"type": "string"}}}
_PLACE = {"Location": {"description": "URL of the work item", "schema": {"type": "string"}}}

FOUND: Responses = {
    200: {
        "description": "The work items, also when there are none",
        "content": {DICOM_JSON: _SETS, "application/json": _SETS},
        "headers": _WARNING,
    },
    **_ERRORS,
    406: _NOT_ACCEPTABLE,
}
CREATED: Responses = {201: {"description": "Created", "headers": _PLACE}, **_WRITE}
DONE: Responses = {200: {"description": "Done", "headers": _WARNING}, **_WRITE}
ACCEPTED: Responses = {
    202: {"description": "Cancelled, or the performer is told", "headers": _WARNING},
    **_WRITE,
}
SUBSCRIBED: Responses = {
    201: {
        "description": "Subscribed; Content-Location is the address of the event channel",
        "headers": {"Content-Location": {"schema": {"type": "string"}}},
    },
    **_WRITE,
}


def _entry(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


_NEW = {
    "00404005": _entry("DT", "20260101120000"),
    "00404041": _entry("CS", "READY"),
    "00741200": _entry("CS", "MEDIUM"),
    "00741204": _entry("LO", "Read chest CT"),
}
_STATE = {"00741000": _entry("CS", "IN PROGRESS"), "00081195": _entry("UI", "2.25.1")}


def _body(example: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    content = {DICOM_JSON: {"schema": {**_SET, "examples": [example]}}}
    return {"requestBody": {"required": required, "content": content}}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


_COUNT = {"type": "integer", "minimum": 0, "maximum": 10**7}
_UID = {"type": "string", "pattern": r"^[0-2](\.(0|[1-9]\d{0,8})){1,6}$"}
NEW_BODY = _body(_NEW) | {"parameters": [_query("workitem", "UID of the new item", _UID)]}
UPDATE_BODY = _body({"00741204": _entry("LO", "Second reading")}) | {
    "parameters": [_query("transaction-uid", "Of the claim, when it is IN PROGRESS", _UID)]
}
STATE_BODY = _body(_STATE)
CANCEL_BODY = _body({"00741238": _entry("LT", "not needed")}, required=False)
_SEARCH_STATE = {
    "type": "string",
    "enum": ["SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"],
}
SEARCH_PARAMETERS: dict[str, Any] = {
    "parameters": [
        _query("limit", "Most items to return", _COUNT),
        _query("offset", "Items to skip", _COUNT),
        _query("ProcedureStepState", "Any attribute by keyword, tag or path", _SEARCH_STATE),
        _query("PatientID", "Exact, or with wildcards", {"type": "string", "maxLength": 64}),
    ]
}
SUBSCRIBE_PARAMETERS: dict[str, Any] = {
    "parameters": [
        _query("deletionlock", "Keep the item while the lock is held", {"type": "boolean"}),
        _query(
            "filter",
            "For the filtered worklist: attribute=value, several with commas",
            {"type": "string", "enum": ["ProcedureStepState=SCHEDULED"]},
        ),
    ]
}
