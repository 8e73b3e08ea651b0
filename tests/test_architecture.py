# SPDX-License-Identifier: Apache-2.0
"""What import-linter cannot say: faces only, unique problem codes, a test folder per room."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import healthvision
from healthvision.kernel.errors import Problem

ROOT = Path(__file__).parent.parent
PACKAGE = Path(healthvision.__file__).parent
FACE = {"service", "schemas", "events", "errors", "ports", "settings"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("healthvision", cache_dir=None)


def _rooms() -> list[str]:
    return sorted(p.name for p in (PACKAGE / "domains").iterdir() if (p / "__init__.py").exists())


def _modules() -> Iterator[str]:
    for found in pkgutil.walk_packages([str(PACKAGE)], "healthvision."):
        if ".migrations" not in found.name and not found.name.endswith("__main__"):
            yield found.name


class TestRooms:
    def test_a_room_sees_only_the_face_of_another(self, graph: grimp.ImportGraph) -> None:
        wrong = []
        for module in graph.modules:
            match = re.match(r"healthvision\.domains\.(\w+)", module)
            if match is None:
                continue
            for imported in graph.find_modules_directly_imported_by(module):
                other = re.match(r"healthvision\.domains\.(\w+)(?:\.(\w+))?", imported)
                if other and other[1] != match[1] and other[2] not in FACE:
                    wrong.append(f"{module} -> {imported}")
        assert wrong == []

    def test_every_room_has_tests(self) -> None:
        folders = {p.parent.name for p in (ROOT / "tests" / "domains").glob("*/test_*.py")}
        assert set(_rooms()) - folders == set()


class TestProblems:
    def test_every_code_is_used_once(self) -> None:
        for name in _modules():
            importlib.import_module(name)
        seen: dict[str, type] = {}
        stack: list[type[Problem]] = [Problem]
        while stack:
            kind = stack.pop()
            assert seen.setdefault(kind.code, kind) is kind, f"{kind.code} is used twice"
            stack.extend(kind.__subclasses__())


class TestFiles:
    def test_every_file_names_its_licence(self) -> None:
        wrong = [
            str(p.relative_to(ROOT))
            for base in ("src", "tests", "scripts")
            for p in (ROOT / base).rglob("*.py")
            if "SPDX-License-Identifier: Apache-2.0" not in p.read_text("utf-8")[:200]
        ]
        assert wrong == []

    def test_only_small_files(self) -> None:
        big = {
            str(p.relative_to(ROOT)): n
            for p in PACKAGE.rglob("*.py")
            if "migrations" not in p.parts
            if (n := len(p.read_text("utf-8").splitlines())) > 600
        }
        assert big == {}

    def test_architecture_page_names_only_what_exists(self) -> None:
        text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
        named = re.findall(r"`((?:src|tests|docs|scripts|deploy)/[\w./-]+)`", text)
        assert len(named) > 10
        assert [n for n in named if not (ROOT / n).exists()] == []

    def test_architecture_page_names_every_floor_and_room(self) -> None:
        text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
        floors = {p.name for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("_")}
        assert [n for n in sorted(floors | set(_rooms())) if n not in text] == []
