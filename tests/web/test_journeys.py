# SPDX-License-Identifier: Apache-2.0
"""Journeys in Debian's Chromium against the real server."""

import time
from pathlib import Path

import httpx
import pytest

from tests.factories.dicom import ct_series
from tests.factories.notes import note_bytes
from tests.journeys.chests import chest_slices, write_zip
from tests.journeys.material import uids_of
from tests.support.small_ct import small_ct
from tests.web.conftest import Workstation, store
from tests.web.patients import as_patient

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


def _hold_notes(workstation: Workstation) -> None:
    """Store a study with two rejection notes, which wait for a person."""
    slices = ct_series(3, PatientID="P-qian", PatientName="Qian^Wei=钱^伟", Modality="OT")
    key = workstation.people.doctor_key  # a note that a person brings in is always held
    store(workstation.url, key, [*slices, note_bytes(slices[:1]), note_bytes(slices[1:2])])
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=workstation.url, headers=headers, timeout=60) as client:
        query = {"study_uid": uids_of(slices[0]).study}
        (study,) = client.get("/v1/studies", params=query).json()["items"]
        end = time.monotonic() + 90
        while time.monotonic() < end:
            made = client.get(f"/v1/studies/{study['id']}/history").json()["items"]
            if [c["kind"] for c in made] == ["reject_asked", "reject_asked"]:
                return
            time.sleep(0.5)
    raise AssertionError(f"the notes are not held: {made}")


class TestJourneys:
    def test_worklist_filters_drawer_and_languages(self, workstation: Workstation) -> None:
        workstation.browse("worklist")

    def test_what_can_go_wrong_is_told_and_nothing_typed_is_lost(
        self, workstation: Workstation
    ) -> None:
        workstation.browse("edges")

    def test_an_administrator_answers_who_opened_a_patient(self, workstation: Workstation) -> None:
        _hold_notes(workstation)
        workstation.browse("admin")

    def test_an_upload_ends_in_a_result_card(
        self, workstation: Workstation, tmp_path: Path
    ) -> None:
        files = as_patient(small_ct("zhou", slices=24), "周^明", "胸部平扫")
        packed = write_zip(tmp_path / "周明.zip", files)
        workstation.browse("analyze", HV_E2E_FILE=str(packed))

    @pytest.mark.long
    def test_a_chest_ends_in_findings(self, workstation: Workstation, tmp_path: Path) -> None:
        packed = write_zip(tmp_path / "chest.zip", chest_slices(5, "P-chest"))
        workstation.browse("analyze", HV_E2E_FILE=str(packed), HV_E2E_FINDS="1")

    @pytest.mark.long
    def test_every_screen_is_accessible_and_speaks_one_language(
        self, workstation: Workstation
    ) -> None:
        workstation.browse("looks")

    @pytest.mark.long
    @pytest.mark.parametrize("language", ["zh-CN", "en"])
    def test_every_corner_speaks_one_language(
        self, workstation: Workstation, language: str
    ) -> None:
        _hold_notes(workstation)
        workstation.browse("corners", HV_E2E_LANGUAGE=language)
