# SPDX-License-Identifier: Apache-2.0
"""The migrations give what the code's tables say, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, inspect

from healthvision.app import schema
from healthvision.kernel import engine
from healthvision.kernel.db import Base, sync_url


def _drift(url: str) -> list[str]:
    """Return the differences, less the tables that other tests declare (``test_...``)."""
    return [text for text in schema.drift(url) if "test_" not in text]


class TestUpgrade:
    def test_an_empty_database_gets_the_tables_of_the_code(self, empty_url: str) -> None:
        schema.upgrade(empty_url)
        assert schema.current(empty_url) == schema.head()
        assert _drift(empty_url) == []

    def test_several_at_once_do_not_disturb_each_other(self, empty_url: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(schema.upgrade, [empty_url] * 4))
        assert _drift(empty_url) == []

    def test_a_second_time_changes_nothing(self, empty_url: str) -> None:
        schema.upgrade(empty_url)
        schema.upgrade(empty_url)
        assert schema.current(empty_url) == schema.head()


class TestNames:
    def test_no_table_of_a_room_has_the_name_of_an_engine_table(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/engine.db"
        engine.migrate(url)
        opened = create_engine(sync_url(url))
        names = set(inspect(opened).get_table_names())
        opened.dispose()
        assert len(names) > 4
        assert names & set(Base.metadata.tables) == set()
