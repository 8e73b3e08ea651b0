# SPDX-License-Identifier: Apache-2.0
"""The build script: what it builds, when it does nothing, what it says when it cannot."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import missing_service

ROOT = Path(__file__).parents[2]


def _script() -> Any:
    """Return scripts/web_build.py, which belongs to no package, as a module."""
    path = ROOT / "scripts" / "web_build.py"
    spec = importlib.util.spec_from_file_location("web_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["web_build"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


web_build = _script()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two source files and no Node."""
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "src" / "main.tsx").write_text("go()")
    (web / "package-lock.json").write_text("{}")
    monkeypatch.setattr(web_build, "ROOT", tmp_path)
    monkeypatch.setattr(web_build, "WEB", web)
    monkeypatch.setattr(web_build, "STATIC", tmp_path / "static")
    return tmp_path


def _no_node() -> Any:
    raise web_build.NoBuild("Node is missing")


class TestBuild:
    def test_does_nothing_when_the_sources_are_the_same(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web_build, "find_node", _no_node)
        (checkout / "static").mkdir()
        (checkout / "static" / web_build.STAMP).write_text(web_build.source_hash() + "\n")
        assert web_build.build() is False

    def test_a_changed_source_asks_for_node(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web_build, "find_node", _no_node)
        (checkout / "static").mkdir()
        (checkout / "static" / web_build.STAMP).write_text(web_build.source_hash() + "\n")
        (checkout / "web" / "src" / "main.tsx").write_text("stop()")
        with pytest.raises(web_build.NoBuild):
            web_build.build()

    def test_packages_and_tests_are_no_sources(self, checkout: Path) -> None:
        before = web_build.source_hash()
        for name in ("node_modules/x/index.js", "e2e/a.ts", "src/main.test.tsx"):
            path = checkout / "web" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1")
        assert web_build.source_hash() == before

    def test_files_that_get_smaller_are_packed(self, checkout: Path) -> None:
        (checkout / "index.js").write_text("go();" * 1000)
        (checkout / "tiny.js").write_text("go();")
        web_build._pack(checkout)
        assert (checkout / "index.js.gz").stat().st_size < 200
        assert not (checkout / "tiny.js.gz").exists()


class TestCommand:
    def _run(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / "scripts" / "web_build.py"), *words]
        env = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    def test_can_be_skipped(self) -> None:
        done = self._run("build", "--force", HV_SKIP_WEB="1")
        assert (done.returncode, "skipped" in done.stderr) == (0, True)

    def test_a_missing_registry_stops_only_a_strict_build(self, tmp_path: Path) -> None:
        (tmp_path / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "web_build.py", tmp_path / "scripts")
        (tmp_path / "web").mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "web" / name, tmp_path / "web")
        script = str(tmp_path / "scripts" / "web_build.py")
        nowhere = {
            "npm_config_registry": "http://127.0.0.1:9",
            "npm_config_fetch_retries": "0",
            "npm_config_cache": str(tmp_path / "cache"),
        }
        for words, code in ((["build", "--soft"], 0), (["build"], 1)):
            done = subprocess.run(
                [sys.executable, script, *words],
                capture_output=True,
                text=True,
                env={**os.environ, **nowhere},
                timeout=120,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert "registry" in done.stderr


class TestOwnTests:
    def test_vitest_is_good(self) -> None:
        if not (ROOT / "web" / "node_modules" / "vitest").is_dir():
            missing_service("web/node_modules (make setup)")
        command = [sys.executable, str(ROOT / "scripts" / "web_build.py"), "test"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
