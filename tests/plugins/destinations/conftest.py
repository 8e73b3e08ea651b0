# SPDX-License-Identifier: Apache-2.0
"""A database with the AE book, and parcels made of small objects."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from healthvision.domains.audit import module as audit
from healthvision.domains.integration.ports import Parcel, Way
from healthvision.domains.spaces import module as spaces
from healthvision.formats.dicom.header import read_header
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.security import Actor
from tests.conftest import _sqlite_url
from tests.support.small_ct import small_ct


@pytest.fixture
def modules() -> Sequence[Module]:
    """The rooms a courier looks addresses up in."""
    return (audit.MODULE, spaces.MODULE)


@pytest.fixture
def database_url(template_folder: Path, tmp_path: Path, modules: Sequence[Module]) -> Iterator[str]:
    """SQLite alone: nothing here depends on the database."""
    yield _sqlite_url(template_folder, tmp_path)


@pytest.fixture
def way(db: Database, actor: Actor) -> Way:
    """For whom couriers work here."""
    return Way(db, actor)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 700):
        yield data[start : start + 700]


def parcel_of(data: bytes) -> Parcel:
    """Return an object as a parcel that is read in small pieces."""
    head = read_header(data)
    read = partial(_pieces, data)
    syntax, study = head.transfer_syntax, head.study_uid
    return Parcel(head.sop_class_uid, head.sop_uid, syntax, study, len(data), read)


@pytest.fixture
def parcels() -> list[Parcel]:
    """Six slices."""
    return [parcel_of(data) for data in small_ct()]
