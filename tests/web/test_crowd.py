# SPDX-License-Identifier: Apache-2.0
"""Long lists in Debian's Chromium: pages from the server, filters in the address, by keyboard."""

from collections.abc import Iterator

import pytest

from healthvision.kernel.settings import CoreSettings
from tests.web.conftest import Workstation, workstation_in
from tests.web.crowd import crowd

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """A platform of its own with thousands of rows in every list."""
    with workstation_in(tmp_path_factory.mktemp("crowded")) as running:
        crowd(CoreSettings().resolved_database_url(), running.people.org_id)
        yield running


class TestCrowd:
    def test_every_list_shows_one_page_of_thousands(self, crowded: Workstation) -> None:
        crowded.browse("crowd")
