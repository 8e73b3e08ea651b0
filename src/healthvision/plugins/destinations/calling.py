# SPDX-License-Identifier: Apache-2.0
"""One association with a remote AE that we call: opened, used in threads, always closed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from healthvision.domains.integration.ports import PushFailed
from healthvision.domains.integration.settings import IntegrationSettings
from healthvision.domains.spaces.schemas import RemoteAeRead
from healthvision.formats.dicom import scu
from healthvision.formats.dicom.association import Aborted, Association, Released, Timers
from healthvision.formats.dicom.ul import Proposed, ProtocolError, Role
from healthvision.kernel import tls
from healthvision.kernel.wire import Wire, WireClosed, WireTimeout, connect

_REJECTED = {
    (1, 3): "our AE title is not known there",
    (1, 7): "its AE title is another",
    (3, 1): "it is busy",
    (3, 2): "it has too many associations",
}


@dataclass(frozen=True, slots=True)
class Talk:
    """What is proposed to a remote AE; ``ours``: our AE title."""

    ours: str
    contexts: Sequence[Proposed]
    roles: Sequence[Role] = ()


@contextmanager
def failures() -> Iterator[None]:
    """Turn what ends an association into PushFailed with a reason for the hospital engineer."""
    try:
        yield
    except scu.Rejected as error:
        found = error.rejection
        reason = _REJECTED.get((found.source, found.reason), f"source {found.source}")
        raise PushFailed(f"association rejected: {reason}") from error
    except WireTimeout as error:
        raise PushFailed("no answer in time") from error
    except WireClosed as error:
        raise PushFailed("cannot connect, or the connection broke") from error
    except ssl.SSLError as error:
        raise PushFailed(f"TLS: {error.reason or type(error).__name__}") from error
    except (ProtocolError, Released, Aborted) as error:
        raise PushFailed(f"association ended: {type(error).__name__}") from error
    except (OSError, ValueError) as error:
        raise PushFailed(f"connection: {type(error).__name__}") from error


@asynccontextmanager
async def associated(target: RemoteAeRead, talk: Talk) -> AsyncIterator[Association]:
    """Yield an association; released at the end, closed in any case. Raises PushFailed."""
    settings = IntegrationSettings()
    held: list[Wire] = []

    def begin() -> Association:
        wire = connect(
            target.host, target.port, seconds=settings.connect_s, tls=_context(target, settings)
        )
        held.append(wire)
        timers = Timers(settings.answer_s, settings.answer_s)
        return scu.associate(wire, talk.ours, target.title, talk.contexts, timers, talk.roles)

    try:
        with failures():
            association = await asyncio.to_thread(begin)
            yield association
            await asyncio.to_thread(_release, association)
    finally:
        for wire in held:
            wire.close()


def _release(association: Association) -> None:
    try:
        association.release()
    except OSError:
        return  # everything was answered: how the talk ends does not matter


def _context(target: RemoteAeRead, settings: IntegrationSettings) -> ssl.SSLContext | None:
    if target.tls == "none":
        return None
    return tls.client_context(target.tls, settings.identity())
