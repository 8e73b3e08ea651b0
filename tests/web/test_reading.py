# SPDX-License-Identifier: Apache-2.0
"""Reading in Debian's Chromium: verdicts by key, a report that loses nothing, the signature."""

import time

import httpx
import pytest

from tests.journeys.chests import chest_slices
from tests.support.small_ct import small_ct
from tests.web.conftest import Workstation, store
from tests.web.patients import as_patient

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


def _judgeable(workstation: Workstation, text: str, *, seconds: float = 120) -> str:
    """Return the id of the study with this patient id once the AI is at its end with it."""
    key = workstation.people.doctor_key
    end, items = time.monotonic() + seconds, []
    while time.monotonic() < end:
        page = httpx.get(
            f"{workstation.url}/v1/worklist",
            params={"text": text},
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        ).json()
        items = page["items"]
        if items and items[0]["ai"]["state"] in ("result", "abstained"):
            return str(items[0]["study_id"])
        time.sleep(0.3)
    raise AssertionError(f"no result: {items}")


class TestReading:
    def test_a_verdict_and_a_signed_report(self, workstation: Workstation) -> None:
        files = as_patient(small_ct("wu", slices=24), "吴^昊", "胸部平扫")
        store(workstation.url, workstation.people.doctor_key, files)
        workstation.browse("reading", HV_E2E_STUDY=_judgeable(workstation, "P-wu"))

    @pytest.mark.long
    def test_findings_go_into_the_report(self, workstation: Workstation) -> None:
        files = as_patient(chest_slices(5, "P-reading"), "周^国强", "胸部 CT 平扫")
        store(workstation.url, workstation.people.doctor_key, files)
        study = _judgeable(workstation, "P-reading")
        workstation.browse("reading", HV_E2E_STUDY=study, HV_E2E_FINDS="1")
