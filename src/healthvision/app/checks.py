# SPDX-License-Identifier: Apache-2.0
"""What ``healthvision doctor`` looks at first: the checks that need neither rooms nor database.

Quick by design: the rooms bring the whole imaging stack with them, which takes seconds to load.
"""

import importlib
import json
import os
import pkgutil
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

from rich.console import Console
from rich.markup import escape

from healthvision import domains, interfaces, kernel
from healthvision.app import configuration, ports
from healthvision.kernel import plugins, sandbox
from healthvision.kernel.settings import CoreSettings

State = Literal["ok", "warning", "failed"]
LOW_SPACE_GB = 10
DICOM_SETTINGS = f"{interfaces.__name__}.dimse.settings"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: its state, what was seen, and how to mend it."""

    name: str
    state: State
    seen: str
    remedy: str = ""


def _python(_core: CoreSettings) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok" if sys.version_info >= (3, 11) else "failed", version)


def _data_folder(core: CoreSettings) -> Check:
    try:
        core.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check("data folder", "failed", str(error), "set HV_DATA_DIR to a folder you own")
    if not os.access(core.data_dir, os.W_OK):
        seen = f"{core.data_dir} is not writable"
        return Check(
            "data folder", "failed", seen, f"chown it, or set HV_DATA_DIR (uid {os.getuid()})"
        )
    free = shutil.disk_usage(core.data_dir).free / 1e9
    seen = f"{core.data_dir}, {free:.0f} GB free"
    if free < LOW_SPACE_GB:
        return Check(
            "data folder", "warning", seen, f"less than {LOW_SPACE_GB} GB: free some space"
        )
    return Check("data folder", "ok", seen)


def settings() -> list[Check]:
    """Judge the settings of all rooms: wrong values, and names that nobody reads."""
    wrong = configuration.faults()
    if wrong:
        return [Check("settings", "failed", line, "mend this setting") for line in wrong]
    strange = configuration.unknown()
    if strange:
        remedy = "nobody reads these: look for a slip in docs/reference/settings.md"
        return [Check("settings", "warning", "unknown: " + ", ".join(strange), remedy)]
    return [Check("settings", "ok", "all can be read")]


def _network_cut(_core: CoreSettings) -> Check:
    reason = sandbox.network_problem()
    if reason is None:
        return Check("sandbox", "ok", "applications run without a network")
    return Check(
        "sandbox",
        "failed",
        f"the kernel refuses network namespaces: {reason}",
        "as root: sysctl -w kernel.unprivileged_userns_clone=1, or run the worker as root",
    )


def _file_wall(_core: CoreSettings) -> Check:
    reason = sandbox.files_problem()
    if reason is None:
        return Check("sandbox files", "ok", "applications see only their own folder")
    return Check(
        "sandbox files",
        "warning",
        f"applications can read what the worker can read: {reason}",
        "use Linux 5.13 or newer with landlock in the lsm= boot parameter; until then run "
        "only applications you trust",
    )


def _public_url(core: CoreSettings) -> Check:
    parsed = urlparse(core.public_url)
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        return Check("public URL", "failed", core.public_url, "set HV_PUBLIC_URL to http(s)://host")
    local = parsed.hostname in ("127.0.0.1", "localhost", "::1")
    if parsed.scheme == "http" and not local:
        return Check(
            "public URL", "warning", core.public_url, "not encrypted: put the gateway in front"
        )
    return Check("public URL", "ok", core.public_url)


def _dicom_port(_core: CoreSettings) -> Check:
    door = importlib.import_module(
        DICOM_SETTINGS
    )  # every command loads this file: later is quicker
    settings = door.DimseSettings()
    if not settings.enabled:
        return Check("DICOM port", "ok", "not wanted (HV_DIMSE_ENABLED)")
    found = ports.obstacle(settings.host, settings.port)
    if found is None:
        return Check("DICOM port", "ok", f"port {settings.port} is free")
    if found.kind == "taken" and ports.is_ours(settings.port):
        return Check("DICOM port", "ok", f"HealthVision listens on port {settings.port}")
    remedy = f"{ports.DICOM_REMEDIES[found.kind]}, and start HealthVision again"
    return Check("DICOM port", "warning", found.seen, remedy)


PLAIN: tuple[Callable[[CoreSettings], Check], ...] = (
    _python,
    _data_folder,
    _network_cut,
    _file_wall,
    _public_url,
    _dicom_port,
)


def load_settings() -> None:
    """Fill the registry of settings: ``settings.py`` of every room and door."""
    for package in (domains, interfaces):
        for found in pkgutil.iter_modules(package.__path__):
            name = f"{package.__name__}.{found.name}.settings"
            if found.ispkg and find_spec(name) is not None:
                importlib.import_module(name)
    importlib.import_module(f"{kernel.__name__}.ratelimit")


def before_first_start() -> list[Check] | None:
    """Return all that can be said of a place where nothing was started yet; None: look deeper."""
    load_settings()
    found = settings()
    if any(c.state == "failed" for c in found):
        return found
    core = CoreSettings()
    url = core.resolved_database_url()
    path = Path(url.removeprefix("sqlite:///"))
    if core.redis_url is not None or not url.startswith("sqlite:///") or path.exists():
        return None
    found += [check(core) for check in PLAIN]
    names = ", ".join(plugins.names("applications")) or "none"
    remedy = "healthvision up makes it; was there one, look at HV_DATA_DIR"
    found.append(Check("applications", "ok", names))
    found.append(Check("database", "warning", f"{path}: not there yet", remedy))
    key = core.master_key_file
    if key.expanduser().exists():
        found.append(Check("master key", "ok", f"{key} (keep a copy in another place)"))
    else:
        remedy = "healthvision up makes it for a new database; was there one, put it back"
        found.append(Check("master key", "warning", f"{key} is missing", remedy))
    return found


def show(found: Sequence[Check], *, as_json: bool) -> int:
    """Print checks; returns the exit code: 1 when one failed."""
    out = Console(highlight=False)
    if as_json:
        rows = [
            {"name": c.name, "state": c.state, "seen": c.seen, "remedy": c.remedy} for c in found
        ]
        out.print_json(json.dumps(rows))
    else:
        colours = {"ok": "green", "warning": "yellow", "failed": "red"}
        for c in found:  # lines and no table: a path that has to be copied is never cut
            state = f"[{colours[c.state]}]{c.state:<7}[/]"
            out.print(f"{state}  {c.name}: {escape(c.seen)}", soft_wrap=True)
            if c.remedy:
                out.print(f"         -> {escape(c.remedy)}", soft_wrap=True)
    return 1 if any(c.state == "failed" for c in found) else 0
