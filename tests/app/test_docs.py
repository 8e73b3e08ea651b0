# SPDX-License-Identifier: Apache-2.0
"""The docs page works in a hospital without the internet."""

import re
from collections.abc import Sequence

import httpx
import pytest

from healthvision.kernel.module import Module


@pytest.fixture
def modules() -> Sequence[Module]:
    """No rooms are needed."""
    return ()


class TestDocs:
    async def test_loads_nothing_from_outside(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")
        assert page.status_code == 200
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(loaded) >= 3
        assert [url for url in loaded if not url.startswith("/docs-assets/")] == []
        for url in loaded:
            assert (await client.get(url)).status_code == 200
