# SPDX-License-Identifier: Apache-2.0
"""The viewer in Debian's Chromium: greys, lengths, sides, overlays, measurements that come back."""

import gzip
import io
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pydicom
import pytest
from highdicom.sr import MeasurementReport, PersonObserverIdentifyingAttributes, srread
from pydicom.sr.codedict import codes

from healthvision.formats.dicom.uids import derive_uid
from healthvision.interfaces.web.pages import STATIC
from tests.support.services import missing_service
from tests.support.small_ct import small_ct
from tests.web import ahead
from tests.web.conftest import Workstation, store
from tests.web.maps import NAME, map_study
from tests.web.patients import as_patient
from tests.web.rods import BLOCKS, SHAPE, SPACING, rod_study

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]
STUDY = derive_uid("rods", "study")


def _saved(workstation: Workstation, study: str = STUDY) -> list[bytes]:
    headers = {"Authorization": f"Bearer {workstation.people.doctor_key}"}
    root = f"{workstation.url}/dicomweb/default/studies/{study}"
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

    def test_the_list_needs_little_before_it_shows(self) -> None:
        page = STATIC / "index.html"
        if not page.is_file():
            missing_service("the built web interface (make web)")
        (listed,) = (STATIC / "assets").glob("worklist-*.js")
        linked = re.findall(r'(?:src|href)="/assets/([^"]+)"', page.read_text())
        waiting, needed = [*linked, listed.name], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                text = (STATIC / "assets" / name).read_text()
                waiting += re.findall(r'(?:from|import)"\./([^"]+)"', text)
        sizes = [len(gzip.compress((STATIC / "assets" / name).read_bytes())) for name in needed]
        assert len(needed) > 5
        assert sum(sizes) <= 700_000

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


@pytest.mark.long
class TestAhead:
    def test_a_picture_stands_for_the_first_image_until_it_is_drawn(
        self, workstation: Workstation
    ) -> None:
        files = ahead.ahead_study()
        store(workstation.url, workstation.people.doctor_key, files)
        workstation.browse(
            "ahead",
            HV_E2E_FIRST=ahead.FIRST,
            HV_E2E_SHAPE=f"{ahead.ROWS},{ahead.COLUMNS}",
            HV_E2E_SPACING=f"{ahead.ROW_MM},{ahead.COLUMN_MM}",
            HV_E2E_WINDOW=f"{ahead.CENTRE},{ahead.WIDTH}",
            HV_E2E_BLOCKS=",".join(map(str, ahead.BLOCKS)),
        )


@dataclass(frozen=True)
class Saving:
    """A saved report: whose it is, which it replaces, and the tracking UIDs of its measurements."""

    sop: str
    name: str
    account: str
    before: frozenset[str]
    measured: frozenset[str]
    sources: frozenset[str]


def _saving(data: bytes) -> Saving:
    ds = pydicom.dcmread(io.BytesIO(data))
    content = _content(data)
    (observer,) = content.get_observer_contexts()
    who = observer.observer_identifying_attributes
    assert isinstance(who, PersonObserverIdentifyingAttributes)
    groups = content.get_image_measurement_groups()
    replaced = (
        str(instance.ReferencedSOPInstanceUID)
        for study in ds.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    )
    named = (
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for group in content.get_image_measurement_groups()
        for item in group[0].ContentSequence
        if item.ValueType == "COMPOSITE"
    )
    uids = frozenset(str(g.tracking_uid) for g in groups)
    name = str(who.name)
    return Saving(
        str(ds.SOPInstanceUID),
        name,
        str(who.login_name),
        frozenset(replaced),
        uids,
        frozenset(named),
    )


@pytest.mark.long
class TestAuthors:
    def test_each_reader_saves_only_what_is_own_and_nobody_loses_anything(
        self, workstation: Workstation
    ) -> None:
        """Five savings of two people, read with highdicom."""
        store(
            workstation.url,
            workstation.people.doctor_key,
            as_patient(small_ct("authors"), "何^琳", "头部平扫"),
        )
        study = derive_uid("small", "authors", "study")
        workstation.browse("authors", HV_E2E_STUDY=study, HV_E2E_DOCTOR_NAME="Demo Radiologist")
        savings = [_saving(data) for data in _saved(workstation, study)]
        by_person: dict[str, list[Saving]] = {}
        for saving in savings:
            by_person.setdefault(saving.account, []).append(saving)
        doctor, admin = sorted(by_person.values(), key=len, reverse=True)
        assert (len(doctor), len(admin)) == (4, 1)  # every version stays in the archive
        assert {s.name for s in doctor} == {"Radiologist^Demo"}
        assert {s.name for s in admin} == {"Administrator^Demo"}
        drawn_by_doctor = frozenset[str]().union(*(s.measured for s in doctor))
        drawn_by_admin = admin[0].measured
        assert (len(drawn_by_doctor), len(drawn_by_admin)) == (4, 2)
        assert not drawn_by_doctor & drawn_by_admin
        replaced = frozenset[str]().union(*(s.before for s in doctor))
        (last,) = [s for s in doctor if s.sop not in replaced]
        assert len(last.measured) == 3
        assert admin[0].sources <= {s.sop for s in doctor}
        assert admin[0].sources


class TestLikings:
    @pytest.mark.long
    def test_they_follow_the_reader_to_another_browser(self, workstation: Workstation) -> None:
        files = as_patient(small_ct("likings"), "马^琳", "头部平扫")
        store(workstation.url, workstation.people.doctor_key, files)
        workstation.browse("likings", HV_E2E_STUDY=derive_uid("small", "likings", "study"))


def _earlier(files: list[bytes], patient: str) -> list[bytes]:
    """Return a study as an older one of another patient, with its images twice as far apart."""
    out = []
    for data in files:
        ds = pydicom.dcmread(io.BytesIO(data))
        ds.PatientID, ds.StudyDate = patient, "20250304"
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y, 2 * z]
        buffer = io.BytesIO()
        ds.save_as(buffer)
        out.append(buffer.getvalue())
    return out


def _rows(workstation: Workstation, text: str, wanted: int) -> list[dict[str, Any]]:
    """Return the rows of the worklist, newest study first, once there are as many as wanted."""
    headers = {"Authorization": f"Bearer {workstation.people.doctor_key}"}
    end, rows = time.monotonic() + 60, list[dict[str, Any]]()
    while time.monotonic() < end:
        asked = {"text": text}
        rows = httpx.get(f"{workstation.url}/v1/worklist", params=asked, headers=headers).json()[
            "items"
        ]
        if len(rows) >= wanted:
            return sorted(rows, key=lambda r: str(r["study_date"]), reverse=True)
        time.sleep(0.3)
    raise AssertionError(f"the worklist does not fill: {rows}")


class TestCompare:
    @pytest.mark.long
    def test_two_studies_scroll_together_and_all_is_accessible(
        self, workstation: Workstation
    ) -> None:
        newer = as_patient(small_ct("compare"), "高^山", "胸部平扫")
        older = _earlier(as_patient(small_ct("compared"), "高^山", "胸部平扫"), "P-compare")
        for files in (newer, older):
            store(workstation.url, workstation.people.doctor_key, files)
        rows = _rows(workstation, "P-compare", 2)
        workstation.browse(
            "compare",
            HV_E2E_STUDIES=",".join(str(r["study_id"]) for r in rows),
            HV_E2E_PATIENT=str(rows[0]["patient_ref"]),
        )


@pytest.mark.long
class TestMaps:
    def test_a_parametric_map_lies_over_its_images(self, workstation: Workstation) -> None:
        store(workstation.url, workstation.people.doctor_key, map_study())
        workstation.browse("maps", HV_E2E_STUDY=derive_uid("small", NAME, "study"))
