# SPDX-License-Identifier: Apache-2.0
"""Every command that a text names exists: in the program, its documents and the interface."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import healthvision
from healthvision.app.cli import cli

SOURCE = Path(healthvision.__file__).parent
ROOT = SOURCE.parents[1]
NAMED = re.compile(r"\bhealthvision ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
BESIDE = {("run", "upkeep")}  # started by the worker, see app/start.py
_TOP = typer.main.get_command(cli)


def _texts() -> Iterator[tuple[str, str]]:
    """Yield (where, text) of what people read: texts of the code, documents, words of the web."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for path in (*documents, *(ROOT / "web" / "src" / "i18n").rglob("*.json")):
        if path.exists():
            marked = re.findall(r"`([^`]+)`", path.read_text(encoding="utf-8"))
            yield from ((str(path.relative_to(ROOT)), text) for text in marked)


def _wrong(first: str, second: str | None) -> bool:
    assert isinstance(_TOP, TyperGroup)
    command = _TOP.commands.get(first)
    if command is None or not isinstance(command, TyperGroup):
        return command is None
    return second is not None and second not in command.commands and (first, second) not in BESIDE


class TestTexts:
    def test_name_only_commands_that_exist(self) -> None:
        wrong = [
            f"{where}: healthvision {found[1]} {found[2] or ''}"
            for where, text in _texts()
            for found in NAMED.finditer(text)
            if _wrong(found[1], found[2])
        ]
        assert wrong == []

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [
            ("run: healthvision migrate", False),
            ("healthvision up makes it", False),
            ("healthvision model add", False),
            ("healthvision model delete", True),
            ("run: healthvision migrations", True),
        ],
    )
    def test_the_check_sees_a_slip(self, text: str, wrong: bool) -> None:
        found = NAMED.search(text)
        assert found is not None
        assert _wrong(found[1], found[2]) is wrong
