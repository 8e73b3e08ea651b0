# SPDX-License-Identifier: Apache-2.0
"""Faults under way in Debian's Chromium: kill -9 of the server, ended sessions, half an upload."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.chests import chest_slices, write_zip
from tests.support.small_ct import small_ct
from tests.web.conftest import Workstation, store, workstation_in
from tests.web.control import controlled
from tests.web.patients import as_patient
from tests.web.test_reading import _judgeable

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """A platform of its own, since it is killed; uploads come in many small parts."""
    folder = tmp_path_factory.mktemp("fragile")
    with workstation_in(folder, HV_ARCHIVE_PART_BYTES="65536") as running:
        yield running


def _start(running: Workstation) -> None:
    running.process.start()
    running.process.wait_ready()


class TestFaults:
    def test_a_killed_server_costs_nothing_on_the_open_pages(
        self, fragile: Workstation, tmp_path: Path
    ) -> None:
        packed = write_zip(tmp_path / "chest.zip", chest_slices(5, "P-killed"))
        late = as_patient(small_ct("qian", slices=6), "钱^晚", "腹部平扫")

        def bring() -> None:
            store(fragile.url, fragile.people.doctor_key, late)

        acts = {"kill": fragile.process.kill, "start": lambda: _start(fragile), "bring": bring}
        with controlled(**acts) as address:
            try:
                fragile.browse("killed", HV_E2E_FILE=str(packed), HV_E2E_CONTROL=address)
            finally:
                fragile.process.kill()
                _start(fragile)

    def test_a_report_is_not_lost_when_the_session_ends(self, fragile: Workstation) -> None:
        files = as_patient(small_ct("wu", slices=24), "吴^昊", "胸部平扫")
        store(fragile.url, fragile.people.doctor_key, files)
        fragile.browse("expired", HV_E2E_STUDY=_judgeable(fragile, "P-wu"))

    def test_half_an_upload_is_offered_after_a_reload(
        self, fragile: Workstation, tmp_path: Path
    ) -> None:
        packed = write_zip(tmp_path / "half.zip", chest_slices(6, "P-half"))
        fragile.browse("half", HV_E2E_FILE=str(packed))
