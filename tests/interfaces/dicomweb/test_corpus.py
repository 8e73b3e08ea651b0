# SPDX-License-Identifier: Apache-2.0
"""Every shared real and hostile file through the door: no failure of ours, bytes come back."""

from pathlib import Path

import httpx
import pytest
from tests.interfaces.dicomweb.conftest import ROOT
from tests.support.services import shared

AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
TAILS = ("", "/metadata", "/frames/1", "/rendered", "/thumbnail")


def files() -> list[Path]:
    """Return all shared DICOM files."""
    found = shared("dicom").rglob("*")
    return sorted(p for p in found if p.is_file() and p.suffix not in (".csv", ".txt", ".md"))


@pytest.mark.long
class TestCorpus:
    async def test_is_stored_found_and_shown_or_cleanly_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        kept, problems = 0, []
        for path in files():
            data = path.read_bytes()
            headers = {"Content-Type": "application/dicom"}
            stored = await client.post(f"{ROOT}/studies", content=data, headers=headers)
            assert stored.status_code in (200, 202, 400, 409), (path.name, stored.text)
            if stored.status_code != 200:
                continue
            (item,) = stored.json()["00081199"]["Value"]
            url = httpx.URL(item["00081190"]["Value"][0]).path
            back = await client.get(url, headers=AS_STORED)
            kept += back.content == data
            for tail in TAILS:
                answer = await client.get(url + tail)
                if answer.status_code not in (200, 404, 406):
                    problems.append((path.name, tail, answer.status_code))
        assert problems == []
        assert kept > 200
