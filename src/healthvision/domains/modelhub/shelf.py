# SPDX-License-Identifier: Apache-2.0
"""The added models: one folder, read by every process, changed by the command line.

``<folder>/index.json`` says which versions there are; ``<folder>/<id>/<version>/`` holds the
description and the weights. A process looks at the index's file state before every use, so what
is added or retired is seen at once, without a restart. Nothing here is about patients.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.errors import ModelChanged, ModelExists
from healthvision.kernel.clock import new_id, now

INDEX, DESCRIPTION, LOCK = "index.json", "model.json", ".lock"
INCOMING = ".incoming"  # what is not published yet; what is old there was left behind
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an added model. ``sha256``: of its description file."""

    id: str
    version: str
    state: Literal["active", "retired"]
    sha256: str
    added_at: str
    retired_at: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An active version with its description and folder."""

    entry: Entry
    description: ModelDescription
    folder: Path

    def request(self, engine: str, add: Callable[[str, bytes], int]) -> dict[str, Any]:
        """Hand the files to ``add`` (name, bytes) and return what the sandbox needs to know.

        Raises ModelChanged when a file is gone or not what it was when it was added.
        """
        files: dict[str, int] = {}
        file = self.description.file
        if file is not None:
            files[file.weights] = add(file.weights, self._weights(file.weights, file.sha256))
        said = self.description.model_dump_json()
        return {"description": said, "engine": engine, "files": files}

    def size(self) -> int:
        """Return the bytes of its weights; 0 when there are none or they are gone."""
        file = self.description.file
        path = self.folder / file.weights if file is not None else None
        return path.stat().st_size if path is not None and path.is_file() else 0

    def _weights(self, name: str, sha256: str | None) -> bytes:
        who = f"{self.entry.id} {self.entry.version}"
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            raise ModelChanged(f"{who}: the weights file is gone") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ModelChanged(f"{who}: the weights file is not the one that was added")
        return data


_ENTRIES = TypeAdapter(list[Entry])


def canonical(description: ModelDescription) -> bytes:
    """Return the one form in which a description is stored and digested."""
    said = description.model_dump(mode="json")
    return json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1).encode()


class Shelf:
    """The added models in a folder; safe for several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._stored: tuple[Stored, ...] = ()
        self._wrong: tuple[tuple[str, str], ...] = ()

    def stamp(self) -> tuple[int, int, int] | None:
        """Return the state of the index; another one means that something changed."""
        try:
            state = os.stat(self.folder / INDEX)
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size

    def stored(self) -> tuple[Stored, ...]:
        """Return the active versions; the same object as long as nothing changed."""
        self._look()
        return self._stored

    def wrong(self) -> tuple[tuple[str, str], ...]:
        """Return (model, reason) of those that are there and cannot be used."""
        self._look()
        return self._wrong

    def entries(self) -> list[Entry]:
        """Return all versions, also the retired; ModelChanged when the index is damaged."""
        try:
            text = (self.folder / INDEX).read_bytes()
        except FileNotFoundError:
            return []
        try:
            return _ENTRIES.validate_json(text)
        except ValidationError:
            raise ModelChanged(f"{INDEX} of the models folder cannot be read") from None

    def put(self, description: ModelDescription, weights: Path | None) -> Stored:
        """Store a version; the same again is no error, a retired one comes back.

        Raises ModelExists when the id and version was ever given to something else.
        """
        return self.publish(self.stage(description, weights))

    def stage(self, description: ModelDescription, weights: Path | None) -> Stored:
        """Copy a version's files beside the others; nobody serves it before ``publish``.

        Each content has a place of its own, so two that want one id and version do not meet.
        Nobody waits while it copies. Raises ModelExists as ``put`` does.
        """
        data = canonical(description)
        entry = Entry(
            description.id, description.version, "active",
            hashlib.sha256(data).hexdigest(), now().isoformat(timespec="seconds"),
        )  # fmt: skip
        _same(self.entries(), entry)
        fresh = self.folder / INCOMING / f"copy-{new_id().hex}"
        fresh.mkdir(parents=True)
        try:
            if weights is not None and description.file is not None:
                _copy(weights, fresh / description.file.weights)
            _write(fresh / DESCRIPTION, data)
            with self._locked():
                _same(self.entries(), entry)
                _move(fresh, self._staged(entry))
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return Stored(entry, description, self._folder(entry))

    def drop(self, staged: Stored) -> None:
        """Remove staged files that will not be published; published ones stay."""
        with self._locked():
            shutil.rmtree(self._staged(staged.entry), ignore_errors=True)

    def publish(self, staged: Stored) -> Stored:
        """Serve a staged version from now on.

        Raises ModelExists as ``put`` does, and ModelChanged when its files are gone.
        """
        with self._locked():
            entries = self.entries()
            old = _same(entries, staged.entry)
            others = [e for e in entries if e is not old]
            kept = staged.entry if old is None else replace(old, state="active", retired_at=None)
            self._settle(staged)
            self._write([*others, kept])
        return replace(staged, entry=kept)

    def active(self, model_id: str, version: str | None) -> list[Entry]:
        """Return the versions (None: all) of a model that are in use."""
        return [
            entry
            for entry in self.entries()
            if entry.state == "active" and entry.id == model_id and version in (None, entry.version)
        ]

    def bring_back(self, entries: list[Entry], state: Literal["active", "retired"]) -> None:
        """Give versions the state they had: what was to be noted of a change could not be."""
        which = {(e.id, e.version) for e in entries}
        at = now().isoformat(timespec="seconds") if state == "retired" else None
        with self._locked():
            self._write([
                replace(e, state=state, retired_at=at) if (e.id, e.version) in which else e
                for e in self.entries()
            ])  # fmt: skip

    def retire(self, model_id: str, version: str | None) -> list[Entry]:
        """Take versions (None: all) out of use and return them; files and results stay."""
        gone: list[Entry] = []
        with self._locked():
            entries = self.entries()
            for index, entry in enumerate(entries):
                fits = entry.id == model_id and version in (None, entry.version)
                if fits and entry.state == "active":
                    at = now().isoformat(timespec="seconds")
                    entries[index] = replace(entry, state="retired", retired_at=at)
                    gone.append(entries[index])
            if gone:
                self._write(entries)
        return gone

    def _folder(self, entry: Entry) -> Path:
        return self.folder / entry.id / entry.version

    def _staged(self, entry: Entry) -> Path:
        return self.folder / INCOMING / f"staged-{entry.id}-{entry.version}-{entry.sha256}"

    def _settle(self, stored: Stored) -> None:
        """Bring staged files to their place, each at once; already done is no error."""
        staged, folder = self._staged(stored.entry), self._folder(stored.entry)
        if staged.is_dir():
            _move(staged, folder)
            staged.rmdir()
        file = stored.description.file
        names = [DESCRIPTION] if file is None else [DESCRIPTION, file.weights]
        if not all((folder / name).is_file() for name in names):
            raise ModelChanged("its staged files are gone; add it again")

    def _write(self, entries: list[Entry]) -> None:
        _write(self.folder / INDEX, _ENTRIES.dump_json(entries, indent=1))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _look(self) -> None:
        stamp = self.stamp()
        if stamp == self._seen:
            return
        stored, wrong = [], []
        try:
            entries = self.entries()
        except ModelChanged as problem:
            entries, wrong = [], [("models folder", problem.detail)]
        for entry in entries:
            if entry.state != "active":
                continue
            try:
                stored.append(self._read(entry))
            except ModelChanged as problem:
                wrong.append((f"{entry.id} {entry.version}", problem.detail))
        self._stored, self._wrong, self._seen = tuple(stored), tuple(wrong), stamp

    def _read(self, entry: Entry) -> Stored:
        folder = self._folder(entry)
        try:
            data = (folder / DESCRIPTION).read_bytes()
        except OSError:
            raise ModelChanged("its description is gone") from None
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ModelChanged("its description is not the one that was added")
        try:
            return Stored(entry, ModelDescription.model_validate_json(data), folder)
        except ValidationError:
            raise ModelChanged("its description is of another version of the program") from None


def _same(entries: list[Entry], entry: Entry) -> Entry | None:
    """Return the entry of that id and version; raises ModelExists when it is something else."""
    old = next((e for e in entries if (e.id, e.version) == (entry.id, entry.version)), None)
    if old is not None and old.sha256 != entry.sha256:
        raise ModelExists(
            f"{entry.id} {entry.version} was added before with other content: "
            "give the changed model a new version"
        )
    return old


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _move(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        file.replace(folder / file.name)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    with source.open("rb") as read, part.open("wb") as file:
        while chunk := read.read(8 * _MB):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)


def remote_name(model_id: str, version: str) -> str:
    """Return the name of the engine of one model version that runs on a server."""
    return f"model:{model_id}@{version}"
