# SPDX-License-Identifier: Apache-2.0
"""A disk that forgets: what a power cut leaves of files whose every change was recorded.

The record is made by ``recorder.c``. At a cut, what was synced is there: the bytes of a file since
its last fsync or fdatasync, a name since the fsync of its folder. Of the rest a part is there, by
dice: pages of 4 KiB of unsynced writes in any choice (a kernel writes back in any order), and the
oldest names of each folder (a file system's journal keeps their order). With ``lost`` nothing that
was not synced is there.
"""

import os
import random
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

OPENED, WROTE, SIZED, SYNCED, MOVED, REMOVED, MADE, LINKED = range(1, 9)
MAGIC = 0x31524548
PAGE = 4096
_HEAD = struct.Struct("<IIQQQQ")


@dataclass
class File:
    """Bytes that are durable, and changes that are not: (offset, bytes) or (size, None)."""

    durable: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """Make all changes durable."""
        for at, data in self.changes:
            change(self.durable, at, data)
        self.changes.clear()

    def left(self, dice: random.Random | None) -> bytes:
        """Return the bytes after a cut; without dice all unsynced changes are lost."""
        found = bytearray(self.durable)
        for at, data in self.changes if dice else ():
            assert dice is not None
            if data is None:
                if dice.random() < 0.5:
                    change(found, at, None)
                continue
            for start in range(0, len(data), PAGE):
                if dice.random() < 0.5:
                    change(found, at + start, data[start : start + PAGE])
        return bytes(found)


def change(content: bytearray, at: int, data: bytes | None) -> None:
    """Write ``data`` at an offset, holes are zeros; None: set the size to ``at``."""
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    if data is None:
        del content[at:]
    else:
        content[at : at + len(data)] = data


Names = dict[str, File | None]  # None: a folder


@dataclass(frozen=True)
class Naming:
    """One change of names: what goes, what comes; ``folder`` is the one to sync."""

    folder: str
    gone: str = ""
    path: str = ""
    file: File | None = None

    def apply(self, names: Names) -> None:
        """Do it; a folder that moves takes its children along."""
        if self.gone:
            inside = [n for n in names if n.startswith(self.gone + "/")]
            moved = {n: names.pop(n) for n in inside}
            names.pop(self.gone, None)
            if self.path:
                names.update({self.path + n[len(self.gone) :]: f for n, f in moved.items()})
        if self.path:
            names[self.path] = self.file


class Disk:
    """Files below ``root`` as the programs see them, and as a cut would leave them."""

    def __init__(self, root: Path) -> None:
        """Take what is there now as durable."""
        self.root = root
        self._inodes: dict[int, File] = {}
        self._seen: Names = {}
        for folder, _, files in os.walk(root):
            self._seen[folder] = None
            for name in files:
                path = Path(folder, name)
                file = File(bytearray(path.read_bytes()))
                self._inodes[path.stat().st_ino] = file
                self._seen[str(path)] = file
        self._durable: Names = dict(self._seen)
        self._pending: list[Naming] = []
        self._at = 0

    def replay(self, log: bytes, end: int) -> None:
        """Go on to the last whole record before ``end``."""
        while self._at + _HEAD.size <= end:
            magic, kind, inode, at, first, second = _HEAD.unpack_from(log, self._at)
            assert magic == MAGIC, f"the record is broken at {self._at}"
            start = self._at + _HEAD.size
            middle, stop = start + first, start + first + second
            if stop > end:
                return
            self._do(kind, inode, at, log[start:middle], log[middle:stop])
            self._at = stop

    def _do(self, kind: int, inode: int, at: int, first: bytes, second: bytes) -> None:
        if kind == OPENED:
            self._opened(inode, bool(at), os.fsdecode(first))
        elif kind in (WROTE, SIZED):
            if inode in self._inodes:  # else a file that had no name yet when it was opened
                self._inodes[inode].changes.append((at, first if kind == WROTE else None))
        elif kind == SYNCED:
            self._synced(inode, os.fsdecode(first))
        else:
            self._named(kind, os.fsdecode(first), os.fsdecode(second))

    def _opened(self, inode: int, cut: bool, path: str) -> None:
        known = self._seen.get(path)
        if known is None or self._inodes.get(inode) is not known:
            known = self._inodes[inode] = File()
            self._name(Naming(os.path.dirname(path), path=path, file=known))
        elif cut:
            known.changes.append((0, None))

    def _synced(self, inode: int, path: str) -> None:
        if path in self._seen and self._seen[path] is None:
            for naming in [n for n in self._pending if n.folder == path]:
                naming.apply(self._durable)
                self._pending.remove(naming)
        elif inode in self._inodes:
            self._inodes[inode].sync()

    def _named(self, kind: int, first: str, second: str) -> None:
        if kind == MADE:
            self._name(Naming(os.path.dirname(first), path=first))
        elif kind == REMOVED:
            self._name(Naming(os.path.dirname(first), gone=first))
        else:
            gone = first if kind == MOVED else ""
            file = self._seen.get(first)
            self._name(Naming(os.path.dirname(second), gone=gone, path=second, file=file))

    def _name(self, naming: Naming) -> None:
        naming.apply(self._seen)
        self._pending.append(naming)

    def cut(self, dice: random.Random, *, lost: bool) -> Names:
        """Return what is left by path after a cut now; the disk itself stays as it is."""
        names = dict(self._durable)
        keeps = {n.folder: dice.random() for n in self._pending}
        many = {f: sum(n.folder == f for n in self._pending) for f in keeps}
        kept = {f: 0 if lost else round(keeps[f] * many[f]) for f in keeps}
        for naming in self._pending:
            if kept[naming.folder] > 0:
                kept[naming.folder] -= 1
                naming.apply(names)
        return {
            path: file and File(bytearray(file.left(None if lost else dice)))
            for path, file in names.items()
            if _reached(path, names, str(self.root))
        }


def restore(names: Names, root: Path) -> None:
    """Make ``root`` what a cut left."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700)
    for path in sorted(p for p, f in names.items() if f is None):
        Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, file in names.items():
        if file is not None:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(file.durable)


def _reached(path: str, names: Names, root: str) -> bool:
    while path != root:
        path = os.path.dirname(path)
        if path not in names or names[path] is not None:
            return False
    return True
