# SPDX-License-Identifier: Apache-2.0
"""Serves the built web interface: one page for all its addresses, files that never change.

The files come from ``scripts/web_build.py``. Without them a plain page says how to make them and
the API works as ever.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from healthvision.domains.storage.settings import StorageSettings
from healthvision.interfaces.web.origins import upload_origin
from healthvision.interfaces.web.settings import WebSettings
from healthvision.kernel.errors import NotFound

STATIC = Path(__file__).parent / "static"
PAGES = ("analyze", "viewer", "reading", "patients", "models", "admin")
_NONCE = "__HV_NONCE__"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_SAFE = {"Cross-Origin-Resource-Policy": "same-origin"}
_PAGE = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
}
_FOREVER = "public, max-age=31536000, immutable"
_MISSING = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>HealthVision</title>
</head><body><h1>HealthVision</h1>
<p>The web interface is not built on this machine; the API works: <a href="/docs">/docs</a>.</p>
<p>To build it, run <code>make web</code> in the checkout (or
<code>python scripts/web_build.py build</code>) and start the server again.</p>
<p lang="zh-CN">此服务器尚未构建网页界面，API 可正常使用：<a href="/docs">/docs</a>。
请在代码目录中运行 <code>make web</code>，然后重新启动服务。</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file and, when there is one, its gzip."""

    path: Path
    media: str
    packed: Path | None


def policy(nonce: str, connect: str = "") -> str:
    """Return the Content-Security-Policy of the pages.

    The viewer's decoders are WebAssembly and its workers may start from blobs. Style elements need
    the nonce; style attributes are allowed, since overlays are placed by them.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            f"style-src 'self' 'nonce-{nonce}'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' blob: data: {connect}".rstrip(),
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def find_assets(folder: Path) -> dict[str, Asset]:
    """Return every built file by its path under the folder; the page itself is none of them."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _TYPES:
            packed = path.with_name(path.name + ".gz")
            there = packed if packed.is_file() else None
            found[name] = Asset(path, _TYPES[path.suffix], there)
    return found


def _answer(asset: Asset, accepted: str, *, forever: bool) -> Response:
    headers = {**_SAFE, "Cache-Control": _FOREVER if forever else "no-cache"}
    if asset.packed is None:
        return Response(asset.path.read_bytes(), media_type=asset.media, headers=headers)
    headers["Vary"] = "Accept-Encoding"
    if "gzip" not in accepted:
        return Response(asset.path.read_bytes(), media_type=asset.media, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(asset.packed.read_bytes(), media_type=asset.media, headers=headers)


class Built:
    """The built interface as it lies in its folder; a new build is seen without a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: int | None = None
        self.text: str | None = None
        self.assets: dict[str, Asset] = {}

    def look(self) -> "Built":
        """Read page and names of the files again when the page is another one than before."""
        index = self._folder / "index.html"
        try:
            changed = index.stat().st_mtime_ns
        except FileNotFoundError:
            self._seen, self.text, self.assets = None, None, {}
            return self
        if changed != self._seen:
            self.text, self.assets = index.read_text(), find_assets(self._folder)
            self._seen = changed
        return self


def pages_router(folder: Path = STATIC, settings: WebSettings | None = None) -> APIRouter:
    """Return the routes of the pages and of their files."""
    router = APIRouter(include_in_schema=False)
    built = Built(folder)
    further = (settings or WebSettings()).connect
    connect = f"{upload_origin(StorageSettings())} {further}".strip()

    async def page() -> Response:
        nonce = secrets.token_urlsafe(18)
        headers = {**_SAFE, **_PAGE, "Content-Security-Policy": policy(nonce, connect)}
        text = built.look().text
        if text is None:
            return HTMLResponse(_MISSING, 503, headers)
        return HTMLResponse(text.replace(_NONCE, nonce), headers=headers)

    async def asset(name: str, request: Request) -> Response:
        return _file(built, f"assets/{name}", request)

    async def icon(request: Request) -> Response:
        return _file(built, "favicon.svg", request)

    router.add_api_route("/", page, name="page", methods=["GET", "HEAD"])
    for first in PAGES:
        for path in (f"/{first}", f"/{first}/{{rest:path}}"):
            router.add_api_route(path, page, name="page", methods=["GET", "HEAD"])
    router.add_api_route("/assets/{name:path}", asset, name="asset", methods=["GET", "HEAD"])
    router.add_api_route("/favicon.svg", icon, name="asset", methods=["GET", "HEAD"])
    return router


def _file(built: Built, name: str, request: Request) -> Response:
    """Return one built file; what is below /assets/ never changes. Raises NotFound."""
    found = built.assets.get(name) or built.look().assets.get(name)
    if found is None:
        raise NotFound("there is no such file")
    accepted = request.headers.get("accept-encoding", "")
    return _answer(found, accepted, forever=name.startswith("assets/"))
