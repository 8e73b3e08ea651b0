# SPDX-License-Identifier: Apache-2.0
"""The viewer in Debian's Chromium: greys, lengths, sides, overlays, measurements that come back."""

import io

import httpx
import pytest
from highdicom.sr import MeasurementReport, srread
from pydicom.sr.codedict import codes

from healthvision.formats.dicom.uids import derive_uid
from healthvision.interfaces.web.pages import STATIC
from tests.support.services import missing_service
from tests.web.conftest import Workstation, store
from tests.web.rods import BLOCKS, SHAPE, SPACING, rod_study

pytestmark = [pytest.mark.service, pytest.mark.timeout(290)]
STUDY = derive_uid("rods", "study")


def _saved(workstation: Workstation) -> list[bytes]:
    headers = {"Authorization": f"Bearer {workstation.people.doctor_key}"}
    root = f"{workstation.url}/dicomweb/default/studies/{STUDY}"
    found = httpx.get(f"{root}/instances", params={"Modality": "SR"}, headers=headers).json()
    files = []
    for item in found:
        series, sop = (item[tag]["Value"][0] for tag in ("0020000E", "00080018"))
        headers["Accept"] = "application/dicom; transfer-syntax=*"
        files.append(httpx.get(f"{root}/series/{series}/instances/{sop}", headers=headers).content)
    return files


def _content(data: bytes) -> MeasurementReport:
    content = srread(io.BytesIO(data)).content
    assert isinstance(content, MeasurementReport)
    return content


class TestViewer:
    def test_its_part_of_the_interface_stays_small(self) -> None:
        parts = list((STATIC / "assets").glob("viewer-*.js.gz"))
        if not parts:
            missing_service("the built web interface (make web)")
        assert max(p.stat().st_size for p in parts) <= 1_400_000

    def test_shows_measures_and_keeps_what_is_true(self, workstation: Workstation) -> None:
        store(workstation.url, workstation.people.doctor_key, rod_study())
        workstation.browse(
            "viewer",
            HV_E2E_STUDY=STUDY,
            HV_E2E_SHAPE=",".join(map(str, SHAPE)),
            HV_E2E_SPACING=",".join(map(str, SPACING)),
            HV_E2E_BLOCKS=",".join(map(str, BLOCKS)),
        )
        reports = [_content(data) for data in _saved(workstation)]
        groups = [g for r in reports for g in r.get_image_measurement_groups()]
        lengths = [m.value for g in groups for m in g.get_measurements(name=codes.SCT.Length)]
        assert [round(v, 0) for v in lengths] == [20.0, 20.0]
