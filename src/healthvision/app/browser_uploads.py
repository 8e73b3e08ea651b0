# SPDX-License-Identifier: Apache-2.0
"""Whether an object store takes uploads straight from browsers: the question a browser asks first.

The CORS protocol of the Fetch standard: before a PUT to another origin a browser asks by OPTIONS
whether pages of ours may do that.
"""

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from healthvision.app.checks import Check
from healthvision.domains.storage import service as storage
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.settings import CoreSettings

NAME = "browser uploads"
REMEDY = "set the CORS rule of the bucket as docs/object-store.md shows"


async def check_browser_uploads(db: Database) -> Check:
    """Ask the store of uploads as a browser on our pages would."""
    origin = origin_of(CoreSettings().public_url)
    ends = now() + timedelta(seconds=60)
    try:
        signed = await storage.presign_put(
            db,
            UUID(int=0),
            f"doctor/{new_id()}",
            size=1,
            content_type="text/plain",
            expires_at=ends,
        )
    except Problem as problem:
        return Check(NAME, "failed", str(problem), "check HV_STORAGE_... and the server")
    if "X-Amz-Signature=" not in signed.url:
        return Check(NAME, "ok", "come to this server")
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    store = origin_of(signed.url)
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.options(signed.url, headers=asked)
    except httpx.HTTPError:
        return Check(NAME, "warning", f"{store} does not answer", REMEDY)
    if not allows(answer, origin):
        return Check(NAME, "warning", f"{store} does not let pages of {origin} send", REMEDY)
    return Check(NAME, "ok", f"go to {store}, which lets pages of {origin} send")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address."""
    found = urlsplit(url)
    return f"{found.scheme}://{found.netloc}"


def allows(answer: httpx.Response, origin: str) -> bool:
    """Tell whether an answer to OPTIONS lets pages of an origin send a PUT."""
    methods = {m.strip() for m in answer.headers.get("access-control-allow-methods", "").split(",")}
    allowed = answer.headers.get("access-control-allow-origin", "")
    return answer.is_success and allowed in ("*", origin) and bool(methods & {"PUT", "*"})
