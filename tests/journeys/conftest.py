# SPDX-License-Identifier: Apache-2.0
"""One world for all journeys of a test run that only look at the API."""

from collections.abc import Iterator

import pytest

from tests.journeys.world import World, opened_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A running platform with two organisations; tests make new things and spoil no old ones."""
    with opened_world(tmp_path_factory.mktemp("world")) as opened:
        yield opened
