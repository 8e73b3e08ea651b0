# SPDX-License-Identifier: Apache-2.0
"""Signed tree heads outside the database: append-only files beside the master key."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import make_url

from healthvision.domains.audit.chain import SignedHead

TAIL_BYTES = 4096


class Anchors(Protocol):
    """Where heads are published. Later: an object store with retention lock, a URL, syslog."""

    def publish(self, heads: list[SignedHead]) -> None:
        """Keep heads for good, durably; OSError when that is not possible."""
        ...

    def last(self) -> SignedHead | None:
        """Return the newest head, or None when nothing was published yet."""
        ...

    def all(self) -> list[SignedHead]:
        """Return every head, oldest first; ValueError when a line is damaged."""
        ...

    def retire(self, suffix: str) -> None:
        """Put the published heads aside and start afresh (after a restore, on purpose)."""
        ...


@dataclass(frozen=True, slots=True)
class FileAnchors:
    """One file of JSON lines per database, named after the database's address."""

    path: Path

    @classmethod
    def of(cls, folder: Path, database_url: str) -> "FileAnchors":
        """Return the anchors of one database in a folder."""
        url = make_url(database_url)
        name = f"{url.get_backend_name()}|{url.host}|{url.port}|{url.database}"
        return cls(folder / f"audit-{sha256(name.encode()).hexdigest()[:16]}.jsonl")

    def publish(self, heads: list[SignedHead]) -> None:
        """Append heads and wait until they are on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = "".join(head.line() + "\n" for head in heads)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, text.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def last(self) -> SignedHead | None:
        """Return the newest whole line; a line torn by a crash is not counted."""
        try:
            with self.path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - TAIL_BYTES))
                lines = file.read().split(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return None
        for line in reversed(lines):
            try:
                return SignedHead.parse(line.decode())
            except ValueError:
                continue
        return None

    def all(self) -> list[SignedHead]:
        """Return every readable head, oldest first; torn or foreign lines are left out."""
        heads: list[SignedHead] = []
        try:
            text = self.path.read_text(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return heads
        for line in text.splitlines():
            try:
                heads.append(SignedHead.parse(line))
            except ValueError:
                continue
        return heads

    def retire(self, suffix: str) -> None:
        """Rename the file, so that its heads stay readable for an inspector."""
        if self.path.exists():
            self.path.rename(self.path.with_name(f"{self.path.name}.{suffix}"))
