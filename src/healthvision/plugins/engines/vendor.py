# SPDX-License-Identifier: Apache-2.0
"""A vendor's HTTP interface: an array is posted, an array comes back, both signed.

POST <url> with the array as .npy (float32, version 1.0), and the headers ``HV-Request-Id``,
``HV-Timestamp`` (Unix seconds) and ``HV-Signature: v1,<base64 HMAC-SHA256 of
'id.timestamp.body'>``. Answer: 200 with .npy and ``HV-Signature`` over 'id.answer.body', or 202
with ``{"status": "/path"}`` on the same server, which is asked until it gives 200. Nothing but
voxels leaves the house.
"""

import base64
import hmac
import io
import json
import math
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.description import HttpEngine
from healthvision.domains.modelhub.errors import EngineBusy, EngineFailed
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.kernel.clock import monotonic, new_id, now
from healthvision.plugins.engines.calling import Call, Reply, send

LEAST_SECRET = 24
_POLL_S = 0.2
_MAX_STATUS = 1 << 16  # bytes of a 202
_NPY = "application/x-npy"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class VendorClient:
    """Asks one vendor."""

    def __init__(self, spec: HttpEngine) -> None:
        self._spec = spec
        self.name = "http"

    def infer(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer {'input': float32 array} with {'output': array}.

        Raises EngineFailed, EngineBusy.
        """
        secret = secret_of(self._spec)
        request, body = str(new_id()), _packed(values["input"])
        until = monotonic() + ModelhubSettings().timeout_s
        reply = send(self._call("POST", self._spec.url, request, body, secret))
        while reply.status == 202:
            if monotonic() + _POLL_S > until:
                raise EngineBusy("the vendor's answer was not ready in time")
            time.sleep(_POLL_S)
            left = until - monotonic()
            reply = send(self._call("GET", self._next(reply), request, b"", secret), left)
        _check(reply, request, secret)
        return {"output": unpacked(reply.body)}

    def _call(self, method: str, url: str, request: str, body: bytes, secret: bytes) -> Call:
        stamp = str(int(now().timestamp()))
        headers = {
            "HV-Request-Id": request,
            "HV-Timestamp": stamp,
            "HV-Signature": signature(secret, request, stamp, body),
            "Accept": _NPY,
        }
        if body:
            headers["Content-Type"] = _NPY
        return Call(method, url, headers, body)

    def _next(self, reply: Reply) -> str:
        """Return where to ask again: a path on the same server and nowhere else."""
        if len(reply.body) > _MAX_STATUS:
            raise EngineFailed("the vendor's 202 is too long for a status path")
        try:
            path = str(json.loads(reply.body)["status"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise EngineFailed("the vendor's 202 names no status path") from None
        if not path.startswith("/") or path.startswith("//"):
            raise EngineFailed("the vendor's status path leads to another place")
        parts = urlsplit(self._spec.url)
        return f"{parts.scheme}://{parts.netloc}{path}"


def secret_of(spec: HttpEngine) -> bytes:
    """Return the shared secret; raises EngineFailed when it cannot be read or is too short."""
    try:
        secret = Path(spec.secret_file).read_bytes().strip()
    except OSError as error:
        raise EngineFailed(f"the vendor's secret_file cannot be read: {error.strerror}") from None
    if len(secret) < LEAST_SECRET:
        raise EngineFailed(f"the vendor's secret is shorter than {LEAST_SECRET} bytes")
    return secret


def signature(secret: bytes, request: str, what: str, body: bytes) -> str:
    """Return the signature of a request (``what``: its time) or of an answer ('answer')."""
    signed = f"{request}.{what}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()


def _check(reply: Reply, request: str, secret: bytes) -> None:
    said = reply.headers.get("hv-signature", "").encode("utf-8", "replace")
    wanted = signature(secret, request, "answer", reply.body).encode()
    if not hmac.compare_digest(said, wanted):
        raise EngineFailed("the vendor's answer is not signed with the shared secret")


def _packed(values: Array) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(values, "<f4"), (1, 0), allow_pickle=False)
    return out.getvalue()


def unpacked(body: bytes) -> Array:
    """Read .npy of numbers; a head that promises more than is there allocates nothing."""
    file = io.BytesIO(body)
    try:
        shape, _, kind = _HEADERS[np.lib.format.read_magic(file)](file)
        if kind.kind not in "fiu" or math.prod(shape) * kind.itemsize != len(body) - file.tell():
            raise EngineFailed("the vendor's array has another size or type than it says")
        found: Array = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, KeyError, EOFError, OverflowError, SyntaxError):
        raise EngineFailed("the vendor's answer is no .npy array") from None
    return found
