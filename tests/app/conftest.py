# SPDX-License-Identifier: Apache-2.0
"""Databases without a schema, for tests that bring it."""

from pathlib import Path

import psycopg
import pytest

from healthvision.kernel.clock import new_id
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    server: str = request.getfixturevalue("postgres_url")
    name = f"e{new_id().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    return server.rsplit("/", 1)[0] + "/" + name
