# SPDX-License-Identifier: Apache-2.0
"""QIDO-RS through the door."""

from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from tests.factories.dicom import ct_series
from tests.interfaces.dicomweb.conftest import ROOT, Stow

OHIF = {"Accept": "application/dicom+json, multipart/related; type=application/octet-stream"}


@pytest.fixture
async def studies(stow: Stow) -> list[str]:
    """Three studies of two patients; returns their UIDs, oldest first."""
    uids = [str(generate_uid()) for _ in range(3)]
    people = [("P1", "Wang^XiaoDong=王^小东"), ("P2", "Li^Na"), ("P2", "Li^Na")]
    for number, (uid, (patient, name)) in enumerate(zip(uids, people, strict=True)):
        objects = ct_series(
            2,
            study_uid=uid,
            PatientID=patient,
            PatientName=name,
            StudyDate=f"2026030{number + 1}",
            AccessionNumber=f"A{number}",
        )
        assert (await stow(objects)).status_code == 200
    return uids


def uids_of(response: httpx.Response, tag: str = "0020000D") -> set[str]:
    documents: list[dict[str, Any]] = response.json()
    return {d[tag]["Value"][0] for d in documents}


class TestSearchStudies:
    async def test_matches(
        self,
        client: httpx.AsyncClient,
        studies: list[str],
    ) -> None:
        cases: list[Any] = [
            ({}, {0, 1, 2}),
            ({"PatientID": "P2"}, {1, 2}),
            ({"00100020": "P2", "StudyDate": "20260303"}, {2}),
            ({"PatientName": "wang*"}, {0}),
            ({"PatientName": "王*"}, {0}),
            ({"PatientName": "na", "fuzzymatching": "true"}, {1, 2}),
            ({"StudyDate": "20260302-"}, {1, 2}),
            ({"StudyDate": "-20260301"}, {0}),
            ({"AccessionNumber": "A?"}, {0, 1, 2}),
            ({"ModalitiesInStudy": "CT"}, {0, 1, 2}),
            ({"ModalitiesInStudy": "MR"}, set()),
        ]
        for params, expected in cases:
            response = await client.get(f"{ROOT}/studies", params=params, headers=OHIF)
            assert response.status_code == 200
            assert uids_of(response) == {studies[i] for i in expected}
            assert response.headers["x-total-count"] == str(len(expected))

    async def test_a_list_of_uids_matches_each(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        params = {"StudyInstanceUID": f"{studies[0]},{studies[2]}"}
        response = await client.get(f"{ROOT}/studies", params=params)
        assert uids_of(response) == {studies[0], studies[2]}

    @pytest.mark.parametrize("wanted", ["*Élod*", "*élod*", "Dupont^ÉLODIE", "dupont*"])
    async def test_the_case_of_letters_beyond_ascii_does_not_matter(
        self, client: httpx.AsyncClient, stow: Stow, wanted: str
    ) -> None:
        await stow(ct_series(1, SpecificCharacterSet="ISO_IR 192", PatientName="Dupont^Élodie"))
        response = await client.get(f"{ROOT}/studies", params={"PatientName": wanted})
        assert len(uids_of(response)) == 1

    async def test_pages_and_says_that_there_is_more(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        seen: list[str] = []
        for offset in range(3):
            params = {"limit": 1, "offset": offset}
            response = await client.get(f"{ROOT}/studies", params=params)
            seen += uids_of(response)
            assert response.headers["x-total-count"] == "3"
            assert ("warning" in response.headers) == (offset < 2)
        assert sorted(seen) == sorted(studies)

    async def test_shows_counts_addresses_and_asked_fields(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        params = {"StudyInstanceUID": studies[0], "includefield": "00081030,PatientSex,StudyID"}
        (found,) = (await client.get(f"{ROOT}/studies", params=params)).json()
        assert found["00201208"]["Value"] == [2]
        assert found["00080061"]["Value"] == ["CT"]
        assert found["00081190"]["Value"][0].endswith(f"/dicomweb/default/studies/{studies[0]}")
        assert found["00081030"]["Value"] == ["Chest CT"]
        assert found["00200010"] == {"vr": "SH"}
        assert list(found) == sorted(found)

    async def test_required_attributes_are_there_without_a_value(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        await stow(ct_series(1, PatientBirthDate=None, Modality=None, StudyTime=None))
        (study,) = (await client.get(f"{ROOT}/studies")).json()
        (series,) = (await client.get(f"{ROOT}/series")).json()
        assert (study["00100030"], study["00080030"]) == ({"vr": "DA"}, {"vr": "TM"})
        assert series["00080060"] == {"vr": "CS"}

    async def test_names_what_is_wrong(self, client: httpx.AsyncClient, studies: list[str]) -> None:
        cases: list[Any] = [
            ({"Patient": "x"}, "Patient"),
            ({"StudyDate": "last week"}, "StudyDate"),
            ({"limit": "many"}, "limit"),
            ({"cursor": "nonsense"}, "cursor"),
        ]
        for params, named in cases:
            response = await client.get(f"{ROOT}/studies", params=params)
            assert response.status_code == 400
            assert response.json()["parameter"] == named

    async def test_strangers_see_nothing_of_it(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        response = await client.get(f"{ROOT}/studies", headers={"x-test-actor": "stranger"})
        assert (response.json(), response.headers["x-total-count"]) == ([], "0")
        assert (await client.get("/dicomweb/none/studies")).status_code == 404


class TestSearchSeriesAndInstances:
    async def test_search_below_a_study_and_over_all(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        below = await client.get(f"{ROOT}/studies/{studies[0]}/series", params={"Modality": "CT"})
        (series,) = below.json()
        assert series["00201209"]["Value"] == [2]
        uid = series["0020000E"]["Value"][0]
        path = f"{ROOT}/studies/{studies[0]}"
        for tail, count in (
            (f"{path}/series/{uid}/instances", 2),
            (f"{path}/instances", 2),
            (f"{ROOT}/instances", 6),
            (f"{ROOT}/series", 3),
        ):
            response = await client.get(tail)
            assert (len(response.json()), response.status_code) == (count, 200)
            assert response.headers["x-total-count"] == str(count)

    async def test_instances_carry_what_viewers_need(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        response = await client.get(f"{ROOT}/instances", params={"StudyInstanceUID": studies[0]})
        for found in response.json():
            assert {"00080016", "00080018", "0020000E", "00280010", "00200013"} <= set(found)
            url = found["00081190"]["Value"][0]
            assert url.endswith(f"/instances/{found['00080018']['Value'][0]}")


class TestKeys:
    async def test_matches_of_every_kind(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        cases: list[Any] = [
            ({"PatientName": "*dong*"}, {0}),
            ({"PatientName": "*小*"}, {0}),
            ({"PatientName": "WANG^XIAODONG"}, {0}),
            ({"PatientName": "wxd", "fuzzymatching": "true"}, {0}),
            ({"PatientName": "xiaod wang", "fuzzymatching": "true"}, {0}),
            ({"PatientName": "王小东", "fuzzymatching": "true"}, {0}),
            ({"PatientID": "P*"}, {0, 1, 2}),
            ({"PatientID": "P1\\P3"}, {0}),
            ({"AccessionNumber": '""'}, set()),
            ({"ReferringPhysicianName": '""', "emptyvaluematching": "true"}, {0, 1, 2}),
            ({"StudyDescription": "*hest*"}, {0, 1, 2}),
            ({"StudyDate": "20260302-20260303", "PatientName": "li*"}, {1, 2}),
            ({"StudyDate": "20260303", "ModalitiesInStudy": "MR,CT"}, {2}),
        ]
        for params, expected in cases:
            response = await client.get(f"{ROOT}/studies", params=params)
            assert response.status_code == 200, params
            assert uids_of(response) == {studies[i] for i in expected}, params
            assert response.headers["x-total-count-relation"] == "eq"

    async def test_keys_that_are_not_searched_by_are_named_and_ignored(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        response = await client.get(f"{ROOT}/studies", params={"KVP": "120", "PatientID": "P1"})
        assert uids_of(response) == {studies[0]}
        assert "KVP" in response.headers["warning"]

    async def test_inside_sequences_and_stored_attributes(
        self, client: httpx.AsyncClient, stow: Stow
    ) -> None:
        asked = Dataset()
        asked.ScheduledProcedureStepID, asked.RequestedProcedureID = "SPS7", "RP7"
        await stow(
            ct_series(
                2,
                RequestAttributesSequence=[asked],
                PerformedProcedureStepStartDate="20260301",
                PerformingPhysicianName="Zhao^Min",
            )
        )
        for params, count in [
            ({"RequestAttributesSequence.ScheduledProcedureStepID": "SPS7"}, 1),
            ({"00400275.00401001": "RP*"}, 1),
            ({"00400275.00401001": "RP8"}, 0),
            ({"PerformedProcedureStepStartDate": "20260301-"}, 1),
            ({"PerformedProcedureStepStartDate": "-20260228"}, 0),
            ({"PerformingPhysicianName": "zhao*"}, 1),
            ({"BodyPartExamined": '""'}, 1),
        ]:
            response = await client.get(f"{ROOT}/series", params=params)
            assert (response.status_code, len(response.json())) == (200, count), params
        response = await client.get(f"{ROOT}/instances", params={"00400275.00400009": "SPS7"})
        assert len(response.json()) == 2


class TestPaging:
    @pytest.mark.parametrize(("level", "tag"), [("studies", "0020000D"), ("instances", "00080018")])
    async def test_links_lead_through_all_matches_once(
        self, client: httpx.AsyncClient, studies: list[str], level: str, tag: str
    ) -> None:
        url: str | None = f"{ROOT}/{level}?limit=1&ModalitiesInStudy=CT"
        seen: list[str] = []
        while url is not None:
            response = await client.get(url)
            seen += uids_of(response, tag)
            link = response.headers.get("link")
            url = link.split(">")[0].lstrip("<").split("/", 3)[3] if link else None
            url = f"/{url}" if url else None
        assert len(seen) == len(set(seen)) == (3 if level == "studies" else 6)

    async def test_series_of_all_studies_by_cursor(
        self, client: httpx.AsyncClient, studies: list[str]
    ) -> None:
        first = await client.get(f"{ROOT}/series", params={"limit": 2})
        following = first.headers["link"].split(">")[0].lstrip("<").split("?", 1)[1]
        second = await client.get(f"{ROOT}/series?{following}")
        assert len(uids_of(first) | uids_of(second)) == 3
        assert "link" not in second.headers
