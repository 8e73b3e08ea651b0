# SPDX-License-Identifier: Apache-2.0
"""The archive behind its DICOM port, with AE titles of two organisations, and dcmtk as a peer."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from healthvision.domains.archive import module as archive
from healthvision.domains.audit import module as audit
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import aes
from healthvision.domains.spaces import module as spaces
from healthvision.domains.spaces.schemas import CalledAeCreate, RemoteAeCreate
from healthvision.domains.spaces.service import ensure_default
from healthvision.domains.storage import module as storage
from healthvision.interfaces.dimse.door import bind_port, open_door
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.support.postgres import free_port
from tests.support.services import missing_service
from tests.support.small_ct import small_ct

CALLED, CALLING, STRANGE = "HV_TEST", "MODALITY", "HV_OTHER"
Dcmtk = Callable[..., Awaitable["Ran"]]


@dataclass(frozen=True)
class Ran:
    """How a tool ended and what it printed."""

    code: int
    text: str


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive and the rooms it stands on."""
    return [audit.MODULE, storage.MODULE, patients.MODULE, spaces.MODULE, archive.MODULE]


@pytest.fixture
def settings() -> DimseSettings:
    """Settings of the port; a test overrides this."""
    return DimseSettings(port=0)


@pytest.fixture
async def titles(db: Database, actor: Actor, stranger: Actor) -> None:
    """Two called titles and a remote AE that may do everything."""
    async with db.transaction() as session:
        await ensure_default(session, actor)
        await ensure_default(session, stranger)
        await aes.add_called(session, actor, CalledAeCreate(title=CALLED))
        await aes.add_called(session, stranger, CalledAeCreate(title=STRANGE))
        for who in (actor, stranger):
            everything = RemoteAeCreate(
                title=CALLING,
                host="127.0.0.1",
                port=104,
                operations=["store", "find", "get", "move"],
            )
            await aes.add_remote(session, who, everything)


@pytest.fixture
async def port(db: Database, titles: None, settings: DimseSettings) -> AsyncIterator[int]:
    """The open DICOM port."""
    async with open_door(db, bind_port(settings), settings) as opened:
        yield opened


@pytest.fixture
def dcmtk(port: int) -> Dcmtk:
    """Run a dcmtk client against the port and return its code and output."""

    async def run(
        tool: str,
        *options: str | Path,
        files: Sequence[Path] = (),
        called: str = CALLED,
        calling: str = CALLING,
    ) -> Ran:
        if shutil.which(tool) is None:
            missing_service("dcmtk")
        where = ["-aet", calling, "-aec", called, "127.0.0.1", str(port)]
        return await command(tool, *map(str, options), *where, *map(str, files))

    return run


async def command(tool: str, *arguments: str) -> Ran:
    """Run a tool to its end."""
    process = await asyncio.create_subprocess_exec(
        tool,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    out, _ = await process.communicate()
    return Ran(process.returncode or 0, out.decode("utf-8", "replace"))


@pytest.fixture
def ct_files(tmp_path: Path) -> list[Path]:
    """Six slices of a CT as files."""
    return write_files(tmp_path / "ct", small_ct())


def write_files(folder: Path, objects: Sequence[bytes]) -> list[Path]:
    """Write objects as files of a new folder."""
    folder.mkdir()
    paths = [folder / f"{i}.dcm" for i in range(len(objects))]
    for path, data in zip(paths, objects, strict=True):
        path.write_bytes(data)
    return paths


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Yield a raw connection to the port."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        yield sock


@pytest.fixture
def listening_port() -> int:
    """A free port for a storescp of the test."""
    return free_port()
