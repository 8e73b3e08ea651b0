# SPDX-License-Identifier: Apache-2.0
"""The DICOM port of a process: opened over a started database, closed with it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from healthvision.interfaces.dimse.conversation import converse
from healthvision.interfaces.dimse.desk import Desk
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel import tls
from healthvision.kernel.db import Database
from healthvision.kernel.listening import Connection, Listener, listen
from healthvision.kernel.telemetry import UP, logger

_log = logger("dimse.door")


def bind_port(settings: DimseSettings) -> socket.socket:
    """Return the bound socket of the DICOM port; raises OSError when it is taken."""
    return listen(settings.host, settings.port, shared=settings.share_port)


@asynccontextmanager
async def open_door(
    db: Database, sock: socket.socket, settings: DimseSettings | None = None
) -> AsyncIterator[int]:
    """Serve DICOM peers on a bound socket; yields the port. Must run on the platform's loop.

    Raises OSError, ssl.SSLError or ValueError when the TLS files do not serve.
    """
    settings = settings or DimseSettings()
    context = None
    if settings.tls != "none":
        context = tls.server_context(
            settings.tls, settings.identity(), client_certificate=settings.tls_client_cert
        )
    desk = Desk(db, settings)

    def serve(connection: Connection) -> None:
        converse(desk, connection, listener.admit, context)

    listener = Listener(sock, serve, settings.crowd())
    listener.start()
    UP.labels("dimse").set(1)
    _log.info("DICOM port open", port=listener.port, tls=settings.tls)
    try:
        yield listener.port
    finally:
        UP.labels("dimse").set(0)
        await asyncio.to_thread(listener.stop)
        desk.close()
