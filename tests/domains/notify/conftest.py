# SPDX-License-Identifier: Apache-2.0
"""The notify room with its built-in channels and a local receiver."""

from collections.abc import AsyncIterator, Sequence

import pytest

from healthvision.domains.audit.module import MODULE as AUDIT
from healthvision.domains.notify.module import MODULE as NOTIFY
from healthvision.domains.notify.ports import Channel, Channels
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.plugins.channels import sms, smtp, webhook
from tests.domains.notify.receiver import Receiver, serving


@pytest.fixture
def modules() -> Sequence[Module]:
    """Return the rooms under test."""
    return (AUDIT, NOTIFY)


@pytest.fixture
async def receiver(db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """Serve on loopback, which the administrator allows here."""
    monkeypatch.setenv("HV_NOTIFY_PRIVATE_ALLOW", "127.0.0.0/8")
    by_name: dict[str, Channel] = {c.name: c for c in (webhook.CHANNEL, sms.CHANNEL, smtp.CHANNEL)}
    db.resources.put(Channels, Channels(by_name))
    async with serving() as running:
        yield running
