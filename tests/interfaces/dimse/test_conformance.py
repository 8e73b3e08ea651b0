# SPDX-License-Identifier: Apache-2.0
"""An outside peer proposes what the conformance statement lists, and gets just that."""

import asyncio

from pynetdicom import AE

from healthvision.app.conformance import accepted
from healthvision.interfaces.dimse import negotiation
from tests.interfaces.dimse.conftest import CALLED, CALLING

CONTEXTS = 128  # of one association


def _granted(port: int, classes: list[str], syntax: str) -> set[str]:
    peer = AE(CALLING)
    for uid in classes:
        peer.add_requested_context(uid, syntax)
    association = peer.associate("127.0.0.1", port, ae_title=CALLED)
    assert association.is_established
    taken = {str(c.abstract_syntax) for c in association.accepted_contexts}
    association.release()
    return taken


async def test_every_storage_class_of_the_statement_is_granted(port: int) -> None:
    """All classes in big endian, and none in a syntax that is no file."""
    listed = [uid for uid, syntaxes in accepted("store").items() if uid in negotiation.STORAGE
              and "1.2.840.10008.1.2.2" in syntaxes]  # fmt: skip
    for start in range(0, len(listed), CONTEXTS):
        part = listed[start : start + CONTEXTS]
        taken = await asyncio.to_thread(_granted, port, part, "1.2.840.10008.1.2.2")
        assert taken == set(part)


async def test_what_is_not_in_the_statement_is_refused(port: int) -> None:
    """Print management, and a stream syntax beside one good context."""
    verification, printing = "1.2.840.10008.1.1", "1.2.840.10008.5.1.1.9"
    taken = await asyncio.to_thread(_granted, port, [verification, printing], "1.2.840.10008.1.2.1")
    assert taken == {verification}
