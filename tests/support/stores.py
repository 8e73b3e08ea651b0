# SPDX-License-Identifier: Apache-2.0
"""C-STORE by our own sender, object by object, and a database that lets nobody write."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy.engine import make_url

from healthvision.formats.dicom import dimse
from healthvision.formats.dicom.association import Association, Timers
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.formats.dicom.scu import Sent, associate, echo, store
from healthvision.formats.dicom.ul import Proposed
from healthvision.kernel.db import sync_url
from healthvision.kernel.wire import connect

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Modality:
    """An open association that sends CT slices; for one thread."""

    association: Association

    def send(self, uid: str, data: bytes) -> int:
        """Send one object and return the status."""
        context = self.association.context_for(CT)
        assert context is not None
        body = data[data_set_start(data) :]
        return store(self.association, context, Sent(CT, uid, len(body)), [body])

    def echo(self) -> int:
        """Return the status of a C-ECHO."""
        return echo(self.association)


def open_association(port: int, called: str, calling: str) -> Modality:
    """Open an association from a thread; close its wire behind it."""
    wire = connect("127.0.0.1", port, seconds=120)
    contexts = [Proposed(1, CT, (EXPLICIT,)), Proposed(3, dimse.VERIFICATION, (EXPLICIT,))]
    return Modality(associate(wire, calling, called, contexts, Timers(120, 120)))


@asynccontextmanager
async def modality(port: int, called: str, calling: str) -> AsyncIterator[Modality]:
    """Open an association; it is closed without a release unless the block releases it."""
    opened = await asyncio.to_thread(open_association, port, called, calling)
    try:
        yield opened
    finally:
        opened.association.wire.close()


@contextmanager
def nobody_writes(url: str) -> Iterator[None]:
    """Let no transaction write rows of the archive while the block runs; reading goes on."""
    parsed = sync_url(url)
    if parsed.get_backend_name() == "sqlite":
        assert parsed.database is not None
        held = sqlite3.connect(parsed.database, isolation_level=None, timeout=60)
        try:
            held.execute("BEGIN IMMEDIATE")
            yield
        finally:
            held.close()
        return
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute("LOCK TABLE studies, receivers IN EXCLUSIVE MODE")
        yield
        connection.rollback()
