# SPDX-License-Identifier: Apache-2.0
"""The full DICOM JSON of instances: from the pack of a sealed one, from the row of others."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from healthvision.domains.archive.errors import StorageDamaged
from healthvision.domains.archive.packing.pack_reading import Documents
from healthvision.domains.archive.packing.packs import ROOT, marked_text
from healthvision.domains.archive.records import pack_rows
from healthvision.domains.archive.schemas import Location
from healthvision.domains.storage.errors import ObjectMissing
from healthvision.kernel.crypto import Damaged
from healthvision.kernel.db import Session, resources_of

Place = tuple[str, str]  # store, object key


def is_packed(object_key: str) -> bool:
    """Tell whether a location is in a pack."""
    return object_key.startswith(f"{ROOT}/")


def is_single(location: Location) -> bool:
    """Tell whether a location is an object of its own, as before there were packs."""
    return location.object_key.startswith("objects/")


async def texts_of(session: Session, org_id: UUID, places: dict[UUID, Place]) -> dict[UUID, bytes]:
    """Return the marked JSON texts (see ``packs``) of instances by id.

    ``places``: where the caller saw each instance; it may have been sealed since. Raises
    StorageDamaged when a pack cannot be read.
    """
    unsealed = [i for i, (_, key) in places.items() if not is_packed(key)]
    packed = {i: place for i, place in places.items() if is_packed(place[1])}
    found: dict[UUID, bytes] = {}
    for row in await pack_rows.rows_with_json(session, org_id, unsealed):
        if is_packed(row.object_key):
            packed[row.id] = (row.store, row.object_key)
        else:
            found[row.id] = marked_text(row.dicom_json, row.bulk)
    return found | await _from_packs(session, org_id, packed)


async def _from_packs(
    session: Session, org_id: UUID, packed: dict[UUID, Place]
) -> dict[UUID, bytes]:
    if not packed:
        return {}
    found: dict[UUID, bytes] = {}
    for tried in range(2):
        left = {i: place for i, place in packed.items() if i not in found}
        if tried and left:  # moved to another pack since the caller looked
            left = await pack_rows.places_of(session, org_id, list(left))
        await _read(session, org_id, left, found)
        if len(found) == len(packed):
            return found
    raise StorageDamaged("the metadata of this series cannot be read")


async def _read(
    session: Session, org_id: UUID, wanted: dict[UUID, Place], found: dict[UUID, bytes]
) -> None:
    kept = resources_of(session).get(Documents)
    rows = await pack_rows.packs_at(session, org_id, set(wanted.values()))
    for place, pack in rows.items():
        try:
            texts = await kept.of_pack(session, pack)
        except ObjectMissing:
            continue
        except Damaged as error:
            raise StorageDamaged("the metadata of this series fails its check") from error
        for instance_id, where in wanted.items():
            if where == place and instance_id in texts:
                found[instance_id] = texts[instance_id]


def places_of(rows: Collection[Any]) -> dict[UUID, Place]:
    """Return where instance rows lie."""
    return {row.id: (row.store, row.object_key) for row in rows}
