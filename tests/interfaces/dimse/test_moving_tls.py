# SPDX-License-Identifier: Apache-2.0
"""C-MOVE to a destination that speaks TLS and wants to see our certificate."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt

from healthvision.domains.spaces import aes
from healthvision.domains.spaces.schemas import RemoteAeCreate, TlsProfile
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.interfaces.dimse.conftest import Dcmtk
from tests.interfaces.dimse.test_tls import Pki
from tests.interfaces.dimse.test_tls import pki as pki


@pytest.fixture
def settings(pki: Pki) -> DimseSettings:
    """A plain port whose own connections show a certificate."""
    return DimseSettings(
        port=0, tls_cert=pki["client"], tls_key=pki["client-key"], tls_ca=pki["ca"]
    )


class TestMove:
    @pytest.mark.parametrize(
        ("profile", "trusted"), [("bcp195", True), ("tls13", True), ("bcp195", False)]
    )
    async def test_objects_go_to_whom_we_trust_only(
        self,
        dcmtk: Dcmtk,
        db: Database,
        actor: Actor,
        pki: Pki,
        ct_files: list[Path],
        listening_port: int,
        profile: TlsProfile,
        trusted: bool,
    ) -> None:
        async with db.transaction() as session:
            target = RemoteAeCreate(
                title="SECURE",
                host="127.0.0.1" if trusted else "localhost",
                port=listening_port,
                operations=["receive"],
                tls=profile,
            )
            await aes.add_remote(session, actor, target)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki["server"], pki["server-key"])  # names 127.0.0.1 alone
        context.load_verify_locations(pki["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
        taken: list[str] = []

        def store(event: Any) -> int:
            taken.append(str(event.dataset.SOPInstanceUID))
            return 0x0000

        ae = AE("SECURE")
        ae.add_supported_context(CTImageStorage)
        place = ("127.0.0.1", listening_port)
        server = ae.start_server(
            place, block=False, evt_handlers=[(evt.EVT_C_STORE, store)], ssl_context=context
        )
        assert server is not None
        assert (await dcmtk("storescu", files=ct_files)).code == 0
        uid = pydicom.dcmread(ct_files[0]).StudyInstanceUID
        try:
            keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}")
            ran = await dcmtk("movescu", "-v", "-d", "-S", "-aem", "SECURE", *keys)
        finally:
            await asyncio.to_thread(server.shutdown)
        assert len(taken) == (6 if trusted else 0), ran.text
        assert ("0xa702" in ran.text.lower()) is not trusted
