# SPDX-License-Identifier: Apache-2.0
"""What all DICOMweb routes share: the parts of their paths and who calls."""

from typing import Annotated

from fastapi import Path, Request

from healthvision.interfaces.dicomweb import retrieve
from healthvision.interfaces.dicomweb.query import BadParameter
from healthvision.kernel.http import authenticate, database_of
from healthvision.kernel.security import Actor

BUDGET = "dicomweb"

Slug = Annotated[
    str, Path(max_length=100, description="Slug or id of the space.", examples=["default"])
]
Uid = Annotated[str, Path(max_length=64, description="A DICOM UID.")]
FrameList = Annotated[
    str,
    Path(
        max_length=80_000,
        description="Numbers from 1, e.g. 1,2,5",
        json_schema_extra={"pattern": r"^[1-9]\d{0,5}(,[1-9]\d{0,5})*$"},
    ),
]
BulkPath = Annotated[str, Path(max_length=1000, description="As in the metadata's BulkDataURI.")]

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"


async def caller_of(request: Request) -> Actor:
    """Return who calls; counts against the budget of DICOMweb."""
    return await authenticate(request, BUDGET)


async def target_of(
    request: Request,
    space: str,
    study: str,
    series: str | None = None,
    instance: str | None = None,
) -> retrieve.Target:
    """Return what the request reads and who reads it; raises BadParameter, Forbidden."""
    actor = await caller_of(request)
    original = _original(request)
    if original:
        actor.require("studies:original")
    return retrieve.Target(database_of(request), actor, space, study, series, instance, original)


def _original(request: Request) -> bool:
    """Tell whether objects are wanted as they were received."""
    said = request.query_params.get("original", "false")
    if said not in ("true", "false"):
        raise BadParameter("original must be true or false", parameter="original")
    return said == "true"
