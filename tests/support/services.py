# SPDX-License-Identifier: Apache-2.0
"""Skips that tell why; with CI=true a missing service is a failure."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

SHARED = Path(os.environ.get("HV_SHARED", "../shared")).resolve()


def missing_service(name: str) -> NoReturn:
    """Skip the test since a program is missing; fail instead when CI=true."""
    reason = f"service missing: {name} is not installed (run make test as root, or install it)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str) -> str:
    """Return the path of a program the test needs, or skip."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        missing_service(name)
    return found


def shared(*parts: str) -> Path:
    """Return a file of the shared real data, or skip with the reason."""
    path = SHARED.joinpath("data", *parts)
    if not path.exists():
        pytest.skip(f"data missing: {path} (set HV_SHARED)")
    return path
