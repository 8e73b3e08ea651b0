# SPDX-License-Identifier: Apache-2.0
"""Instances as application/zip (PS3.18 8.7.3.3, supplement 211), written while it is sent."""

import zipfile
from collections.abc import AsyncIterator, Sequence

from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef
from healthvision.interfaces.dicomweb.transcode import object_as
from healthvision.kernel.db import Database
from healthvision.kernel.outbox import Outbox, plain_entry


async def zipped(
    db: Database, refs: Sequence[InstanceRef], syntaxes: Sequence[str]
) -> AsyncIterator[bytes]:
    """Yield a zip of Part 10 files: a folder per series, a number per instance.

    Names hold no UID and nothing personal: they fit every reader (8 characters). One object of
    another transfer syntax than stored is held at a time. The caller has recorded the access.
    """
    outbox = Outbox()
    folders: dict[str, int] = {}
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as packed:
        for number, (ref, syntax) in enumerate(zip(refs, syntaxes, strict=True)):
            folder = folders.setdefault(ref.series_uid, len(folders))
            name = f"DICOM/SER{folder:05d}/IMG{number:05d}.dcm"
            if syntax != ref.transfer_syntax:
                packed.writestr(plain_entry(name), await object_as(db, ref, syntax))
                yield outbox.take()
                continue
            with packed.open(plain_entry(name), "w", force_zip64=True) as file:
                async for piece in archive.open_bytes(db, ref):
                    file.write(piece)
                    yield outbox.take()
    yield outbox.take()
