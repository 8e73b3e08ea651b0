# SPDX-License-Identifier: Apache-2.0
"""A person saves measurements in the own name only, whatever the object says."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid
from sqlalchemy import select
from tests.interfaces.dicomweb.conftest import ROOT, Stow, related
from tests.support.auth import TableAuthenticator

from healthvision.domains.archive import module as archive
from healthvision.domains.archive.receiving.authorship import dicom_name
from healthvision.domains.archive.tables import Quarantined
from healthvision.domains.audit import module as audit
from healthvision.domains.identity import module as identity
from healthvision.domains.identity import service as people
from healthvision.domains.patients import module as patients
from healthvision.domains.spaces import module as spaces
from healthvision.domains.storage import module as storage
from healthvision.interfaces.dicomweb.multipart import PartHead
from healthvision.interfaces.dicomweb.store_json import Assembly
from healthvision.kernel.db import Database
from healthvision.kernel.http import Authenticator
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor

Json = dict[str, Any]
OWN = "Li^Mei"
OTHER = "0198c0de-0000-7000-8000-000000000001"  # another account


@pytest.fixture
def modules() -> Sequence[Module]:
    """The archive and the rooms it stands on, with people."""
    rooms = [audit, identity, storage, patients, spaces, archive]
    return [room.MODULE for room in rooms]


@pytest.fixture
async def actor(db: Database, authenticator: TableAuthenticator) -> Actor:
    """Dr. Mei Li, signed in."""
    db.resources.put(Authenticator, authenticator)  # type: ignore[type-abstract]
    async with db.transaction() as session:
        made = await people.bootstrap(
            session,
            organisation="east",
            admin_email="li.mei@east.example",
            admin_name="Mei Li",
            password="correct horse battery 9",
        )
    return Actor(
        org_id=made.org_id,
        id=str(made.user_id),
        user_id=made.user_id,
        kind="user",
        permissions=frozenset({"*"}),
    )


def _coded(code: str) -> Json:
    return {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": [code]}}]}


def _saving(account: str, name: str = OWN, more: Json | None = None) -> Json:
    """Return measurements as the viewer saves them, the parts that say whose they are."""
    observer = {
        "0040A040": {"vr": "CS", "Value": ["PNAME"]},
        "0040A043": _coded("121008"),
        "0040A123": {"vr": "PN", "Value": [{"Alphabetic": name}]},
    }
    login = {
        "0040A040": {"vr": "CS", "Value": ["TEXT"]},
        "0040A043": _coded("128774"),
        "0040A160": {"vr": "UT", "Value": [account]},
    }
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.88.34"]},
        "00080018": {"vr": "UI", "Value": [generate_uid()]},
        "00080060": {"vr": "CS", "Value": ["SR"]},
        "00080070": {"vr": "LO", "Value": ["HealthVision"]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "0020000D": {"vr": "UI", "Value": [generate_uid()]},
        "0020000E": {"vr": "UI", "Value": [generate_uid()]},
        "0040A043": _coded("126000"),
        "0040A730": {"vr": "SQ", "Value": [observer, login]},
        **(more or {}),
    }


def _part_10(document: Json) -> bytes:
    """Return it as a file, the way another program would send it."""
    parts = Assembly()
    parts.add(PartHead({"content-type": "application/dicom+json"}), json.dumps([document]).encode())
    ((data, refused),) = parts.objects()
    assert refused is None
    return data


def _text(code: str) -> Json:
    return {
        "0040A040": {"vr": "CS", "Value": ["TEXT"]},
        "0040A043": _coded(code),
        "0040A160": {"vr": "UT", "Value": ["Wang^Chief"]},
    }


def _observed_by(kind: str) -> Json:
    return {
        "0040A040": {"vr": "CS", "Value": ["CODE"]},
        "0040A043": _coded("121005"),
        "0040A168": _coded(kind),
    }


async def _stow_json(client: httpx.AsyncClient, document: Json) -> httpx.Response:
    body, _ = related([json.dumps(document).encode()], "application/dicom+json")
    kind = 'multipart/related; type="application/dicom+json"; boundary=hvtest'
    return await client.post(f"{ROOT}/studies", content=body, headers={"Content-Type": kind})


async def _observer(client: httpx.AsyncClient, saved: Json) -> str:
    uids = [saved[tag]["Value"][0] for tag in ("0020000D", "0020000E")]
    path = f"{ROOT}/studies/{uids[0]}/series/{uids[1]}/metadata"
    (found,) = (await client.get(path, headers={"Accept": "application/dicom+json"})).json()
    name: str = found["0040A730"]["Value"][0]["0040A123"]["Value"][0]["Alphabetic"]
    return name


class TestAuthorship:
    async def test_the_own_measurements_are_kept_and_may_be_sent_again(
        self, client: httpx.AsyncClient, stow: Stow, actor: Actor
    ) -> None:
        assert (await _stow_json(client, _saving(actor.id))).status_code == 200
        file = _part_10(_saving(actor.id))
        assert [(await stow([file])).status_code for _ in range(2)] == [200, 200]

    async def test_a_name_written_by_the_page_is_replaced_by_the_accounts(
        self, client: httpx.AsyncClient, actor: Actor
    ) -> None:
        saving = _saving(actor.id, "Wang^Chief")
        assert (await _stow_json(client, saving)).status_code == 200
        assert await _observer(client, saving) == OWN

    async def test_what_names_another_account_lies_in_quarantine(
        self, client: httpx.AsyncClient, db: Database
    ) -> None:
        answer = await _stow_json(client, _saving(OTHER))
        assert (answer.status_code, "author-mismatch" in answer.text) == (409, True)
        async with db.reading() as session:
            assert [r.reason for r in await session.scalars(select(Quarantined))] == [
                "author-mismatch"
            ]

    async def test_a_file_is_not_taken_either(self, stow: Stow, actor: Actor) -> None:
        observer, login = _saving(actor.id)["0040A730"]["Value"]
        other = {**login, "0040A160": {"vr": "UT", "Value": [OTHER]}}
        by_device, of_person = [_observed_by("121007")], _observed_by("121006")
        forged = [
            _saving(OTHER),
            _saving(actor.id, "Wang^Chief"),
            _saving(actor.id, OWN, {"0040A730": {"vr": "SQ", "Value": [observer]}}),
            _saving(actor.id, OWN, {"0040A730": {"vr": "SQ", "Value": [observer, other, login]}}),
            _saving(OTHER, OWN, {"00080070": {"vr": "LO", "Value": ["ACME", "HealthVision"]}}),
            _saving(actor.id, OWN, {"0040A730": {"vr": "SQ", "Value": [_text("121015")]}}),
            _saving(actor.id, OWN, {"0040A730": {"vr": "SQ", "Value": [*by_device, observer]}}),
            _saving(actor.id, OWN, {"0040A730": {"vr": "SQ", "Value": [*by_device, of_person]}}),
        ]
        answer = await stow([_part_10(saving) for saving in forged])
        assert (answer.status_code, answer.text.count("author-mismatch")) == (409, len(forged))

    async def test_reports_of_others_and_what_a_modality_brings_are_not_asked(
        self, client: httpx.AsyncClient, stow: Stow, actor: Actor, authenticator: TableAuthenticator
    ) -> None:
        ours = {"0040A730": {"vr": "SQ", "Value": [_observed_by("121007"), _text("121015")]}}
        assert (await stow([_part_10(_saving(OTHER, OWN, ours))])).status_code == 200
        foreign = _saving("jdoe", "Doe^John", {"00080070": {"vr": "LO", "Value": ["ACME"]}})
        assert (await stow([_part_10(foreign)])).status_code == 200
        authenticator.actors["actor"] = replace(actor, kind="device", user_id=None)
        assert (await stow([_part_10(_saving(OTHER))])).status_code == 200


class TestDicomName:
    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("Mei Li", "Li^Mei"),
            ("王小东", "王小东"),
            (" A ^B=C\\D ", "D^A B C"),
            ("", ""),
            ("B C " + "d" * 61, "d" * 61 + "^B"),
        ],
    )
    def test_is_the_one_the_viewer_writes(self, name: str, written: str) -> None:
        assert dicom_name(name) == written
