# SPDX-License-Identifier: Apache-2.0
"""Destinations by DICOM: C-STORE to a remote AE, and storage commitment with it.

An object whose stored transfer syntax the receiver does not take goes uncompressed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from pydantic import BaseModel, Field

from healthvision.domains.integration.ports import Parcel, PushFailed, Receipt, Way
from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import AeTitle, RemoteAeRead
from healthvision.formats.dicom import dimse, scu
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.commitments import CommitmentReport, CommitmentRequest
from healthvision.formats.dicom.file_head import data_set_start
from healthvision.formats.dicom.part10 import EXPLICIT_LE, IMPLICIT_LE
from healthvision.formats.dicom.resending import uncompressed
from healthvision.formats.dicom.scu import Sent
from healthvision.formats.dicom.ul import Proposed
from healthvision.kernel.apart import ChildProcesses
from healthvision.kernel.db import Session
from healthvision.kernel.errors import Problem
from healthvision.kernel.schemas import Input
from healthvision.kernel.security import Actor
from healthvision.plugins.destinations import committing
from healthvision.plugins.destinations.calling import Talk, associated, failures

_WHOLE_BYTES = 64 << 20
_LARGEST_TURNED = 512 << 20
_HAS_IT = 0x0111  # duplicate SOP instance
_WARNINGS = 0xB000


class DicomConfig(Input):
    """Which remote AE, and by which title of ours it is called.

    ``calling`` should be one of the called AE titles, so that the receiver can call back with
    storage commitment reports.
    """

    remote_ae: AeTitle = Field(description="A remote AE with the operation 'receive'.")
    calling: AeTitle = "HEALTHVISION"


class DicomCourier:
    """Sends by C-STORE over one association per part of a delivery."""

    name = "dicom"
    config: type[BaseModel] = DicomConfig

    async def check(self, session: Session, actor: Actor, config: DicomConfig) -> None:
        """Refuse an AE we may not send to; raises AeNotFound."""
        await aes.destination(session, actor, config.remote_ae)

    async def test(self, way: Way, config: DicomConfig) -> str:
        """Call with C-ECHO; raises PushFailed."""
        target = await _target(way, config.remote_ae)
        contexts = [Proposed(1, dimse.VERIFICATION, (IMPLICIT_LE,))]
        async with associated(target, Talk(config.calling, contexts)) as association:
            status = await asyncio.to_thread(scu.echo, association)
        if status != dimse.SUCCESS:
            raise PushFailed(f"C-ECHO was answered with status {status:04X}")
        return "C-ECHO was answered with success"

    async def send(
        self, way: Way, config: DicomConfig, parcels: Sequence[Parcel]
    ) -> AsyncGenerator[Receipt, None]:
        """Send objects and yield a receipt for each; raises PushFailed."""
        target = await _target(way, config.remote_ae)
        kinds = [(p.sop_class_uid, p.transfer_syntax) for p in parcels]
        children = ChildProcesses(1)
        try:
            talk = Talk(config.calling, scu.proposals(kinds))
            async with associated(target, talk) as association:
                for parcel in parcels:
                    yield await _sent(association, parcel, children)
        finally:
            children.close()

    def titles(self, config: DicomConfig) -> tuple[str, str]:
        """Return our AE title and the receiver's."""
        return config.calling, config.remote_ae

    async def ask(
        self, way: Way, config: DicomConfig, request: CommitmentRequest
    ) -> CommitmentReport | None:
        """Ask for storage commitment; the report when it came at once. Raises PushFailed."""
        target = await _target(way, config.remote_ae)
        async with associated(target, Talk(config.calling, committing.CONTEXTS)) as association:
            return await asyncio.to_thread(committing.ask, association, request)

    async def tell(self, way: Way, ours: str, peer: str, report: CommitmentReport) -> None:
        """Bring a report to the AE that asked for it; raises PushFailed."""
        target = await _target(way, peer, receiving=False)
        talk = Talk(ours, committing.CONTEXTS, committing.AS_PROVIDER)
        async with associated(target, talk) as association:
            await asyncio.to_thread(committing.tell, association, report)


async def _target(way: Way, title: str, *, receiving: bool = True) -> RemoteAeRead:
    async with way.db.reading() as session:
        try:
            if receiving:
                return await aes.destination(session, way.actor, title)
            known = {r.title: r for r in await aes.list_remote(session, way.actor)}
            return known[title]
        except (Problem, KeyError):
            raise PushFailed(f"the remote AE {title} is not known any more") from None


async def _sent(association: Association, parcel: Parcel, children: ChildProcesses) -> Receipt:
    context = association.context_for(parcel.sop_class_uid, parcel.transfer_syntax)
    try:
        if context is not None and parcel.size > _WHOLE_BYTES:
            status = await _stream(association, context, parcel)
        else:
            data = b"".join([piece async for piece in parcel.read()])
            if context is None:
                context, data = await _turned(association, parcel, data, children)
            status = await asyncio.to_thread(_store, association, context, parcel, data)
    except _NotTaken as reason:
        return Receipt(parcel.sop_uid, False, str(reason))
    except Problem as problem:
        return Receipt(parcel.sop_uid, False, problem.code)
    return _receipt(parcel, status)


class _NotTaken(Exception):
    """The receiver takes this object in no form we can make."""


async def _turned(
    association: Association, parcel: Parcel, data: bytes, children: ChildProcesses
) -> tuple[Context, bytes]:
    for syntax in (EXPLICIT_LE, IMPLICIT_LE):
        context = association.context_for(parcel.sop_class_uid, syntax)
        if context is not None and len(data) <= _LARGEST_TURNED:
            return context, await children.run(uncompressed, data, syntax)
    raise _NotTaken("SOP class or transfer syntax not accepted")


def _receipt(parcel: Parcel, status: int) -> Receipt:
    if status & 0xFF00 == dimse.OUT_OF_RESOURCES:
        raise PushFailed(f"the receiver is out of resources (status {status:04X})")
    taken = status in (dimse.SUCCESS, _HAS_IT) or status & 0xF000 == _WARNINGS
    return Receipt(parcel.sop_uid, taken, "" if status == dimse.SUCCESS else f"{status:04X}")


def _store(association: Association, context: Context, parcel: Parcel, data: bytes) -> int:
    start = data_set_start(data)
    if start is None:
        raise _NotTaken("the stored object has no data set")
    body = memoryview(data)[start:]
    sent = Sent(parcel.sop_class_uid, parcel.sop_uid, len(body))
    return scu.store(association, context, sent, [body])


async def _stream(association: Association, context: Context, parcel: Parcel) -> int:
    """Send a large object piece by piece, read on this loop while a thread sends."""
    pieces = parcel.read()
    first = await anext(pieces)
    while (start := data_set_start(first)) is None:
        first += await anext(pieces)
    loop = asyncio.get_running_loop()

    def rest() -> Iterator[memoryview | bytes]:
        yield memoryview(first)[start:]
        while True:
            coming: Future[bytes | None] = asyncio.run_coroutine_threadsafe(_next(pieces), loop)
            try:
                piece = coming.result()
            except Problem as problem:  # a part has left: the receiver must not take it
                raise OSError("the stored bytes cannot be read") from problem
            if piece is None:
                return
            yield piece

    sent = Sent(parcel.sop_class_uid, parcel.sop_uid, parcel.size - start)
    with failures():
        return await asyncio.to_thread(scu.store, association, context, sent, rest())


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


COURIER: Any = DicomCourier()
