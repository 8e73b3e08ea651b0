# SPDX-License-Identifier: Apache-2.0
"""Where the command line keeps a person's sign-in: one file, for its owner only."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from healthvision.client import Tokens

FOLDER_MODE, FILE_MODE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class SignIn:
    """A server's address and the tokens for it."""

    server: str
    tokens: Tokens


def place() -> Path:
    """Return the file: ``$XDG_CONFIG_HOME/healthvision/login.json``."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "healthvision" / "login.json"


def load() -> SignIn | None:
    """Return what was kept, None when nobody is signed in or the file cannot be understood."""
    try:
        found = json.loads(place().read_text("utf-8"))
        tokens = Tokens(str(found["access"]), str(found["refresh"]), float(found["until"]))
        return SignIn(str(found["server"]), tokens)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def keep(signed: SignIn) -> None:
    """Write the file so that nobody else can ever read it, and a crash leaves the old one."""
    path = place()
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    document = {
        "server": signed.server,
        "access": signed.tokens.access,
        "refresh": signed.tokens.refresh,
        "until": signed.tokens.until,
    }
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w") as file:
        json.dump(document, file)
    part.replace(path)


@contextmanager
def alone(server: str) -> Iterator[Tokens | None]:
    """Hold off other processes that renew the sign-in; yields the tokens kept for the server now.

    The kernel drops the lock with the process.
    """
    path = place().with_suffix(".lock")
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = load()
        yield found.tokens if found is not None and found.server == server else None


def forget() -> None:
    """Remove the file."""
    place().unlink(missing_ok=True)
