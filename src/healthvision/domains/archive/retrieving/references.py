# SPDX-License-Identifier: Apache-2.0
"""From rows to what readers are given of an instance: who it is and where it lies."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from healthvision.domains.archive.schemas import InstanceRef, Json, Location


class InStudy(NamedTuple):
    """The study of an instance."""

    id: UUID
    uid: str
    patient_ref: UUID


def location_in(row: Any) -> Location:
    """Return where the bytes of an instance lie, from a row with the columns that say so."""
    return Location(
        row.store,
        row.object_key,
        row.generation,
        row.offset,
        row.length,
        row.key_id,
        row.sha256,
    )


def reference(
    row: Any, series: Any, study: InStudy, changes: Mapping[str, Json | None] | None = None
) -> InstanceRef:
    """Return the readable reference of an instance.

    ``row``: has the columns of an instance row; ``series``: ``series_uid`` and ``modality``, and
    may be the same row of a join; ``changes``: see ``InstanceRef``.
    """
    return InstanceRef(
        id=row.id,
        org_id=row.org_id,
        study_id=study.id,
        series_id=row.series_id,
        study_uid=study.uid,
        series_uid=series.series_uid,
        sop_uid=row.sop_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax=row.transfer_syntax,
        modality=series.modality,
        instance_number=row.instance_number,
        number_of_frames=row.number_of_frames,
        rows=row.rows,
        columns=row.columns,
        deflated=row.deflated,
        encapsulated=row.encapsulated,
        pixel_offset=row.pixel_offset,
        pixel_length=row.pixel_length,
        frames=tuple(tuple((s[0], s[1]) for s in frame) for frame in row.frames),
        bulk={path: (b[0], b[1], b[2]) for path, b in row.bulk.items()},
        location=location_in(row),
        received_at=row.received_at,
        origin=row.origin,
        patient_ref=study.patient_ref,
        changes=changes,
    )
