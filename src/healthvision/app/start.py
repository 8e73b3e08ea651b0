# SPDX-License-Identifier: Apache-2.0
"""The first thing that runs: settings that cannot be read get a line before anything is loaded."""

import importlib
import sys

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from healthvision import __version__
from healthvision.app import checks, configuration, tuning
from healthvision.kernel.allocation import keep_freed_memory

BAD_SETTINGS = 78  # the same as in app/supervise.py; EX_CONFIG of sysexits.h
COMMANDS = "healthvision.app.cli"
UPKEEP = "healthvision.app.upkeep"  # a process that stays small: it loads no other command


def main() -> None:
    """Run the command line; see ``app/cli.py`` for the commands."""
    words = sys.argv[1:]
    if words in (["version"], ["--version"]):
        Console().print(__version__)
        return
    if words[:1] == ["doctor"] and set(words[1:]) <= {"--json"}:
        found = checks.before_first_start()
        if found is not None:
            raise SystemExit(checks.show(found, as_json="--json" in words))
    _refuse(configuration.file_faults())
    keep_freed_memory()
    tuning.load_later()
    try:
        commands = importlib.import_module(UPKEEP if words[:2] == ["run", "upkeep"] else COMMANDS)
    except ValidationError as error:  # a wrong value that a room reads while it is loaded
        lines = configuration.explain(error)
        if lines is None:
            raise
        _refuse(lines)
        raise
    commands.main()


def _refuse(lines: list[str]) -> None:
    """End with a line for each fault; without any, go on."""
    console = Console(stderr=True)
    for line in lines:
        console.print(f"[red]setting[/]: {escape(line)}", soft_wrap=True)
    if lines:
        raise SystemExit(BAD_SETTINGS)
