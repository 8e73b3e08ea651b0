# SPDX-License-Identifier: Apache-2.0
"""Uploaded NIfTI volumes and pictures into DICOM objects, with what the caller says of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from healthvision.domains.archive.records.kinds import Kind
from healthvision.domains.archive.schemas import UploadMeta
from healthvision.formats.images.capture import ImageMeta, to_dicom
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series

_SAME = (
    "patient_name",
    "issuer_of_patient_id",
    "patient_sex",
    "patient_birth_date",
    "accession_number",
    "study_date",
    "study_time",
    "study_description",
    "series_description",
    "body_part",
)


def convert(
    kind: Kind, path: Path, meta: UploadMeta, *, salt: str, patient_id: str
) -> Iterator[bytes]:
    """Return the Part 10 objects of a NIfTI or picture file.

    ``salt``: makes UIDs differ between organisations; ``patient_id``: used when the caller gave
    none. Raises NiftiRefused or ImageRefused.
    """
    values: dict[str, Any] = {name: getattr(meta, name) for name in _SAME}
    values["patient_id"] = meta.patient_id or patient_id
    values["study_uid"] = meta.study_uid or None
    if kind == "nifti":
        series = SeriesMeta(**values, modality=meta.modality or "CT")
        return to_dicom_series(path, series, uid_salt=salt)
    spacing = meta.pixel_spacing_mm
    picture = ImageMeta(
        **values,
        modality=meta.modality or "OT",
        view=meta.view_position,
        laterality=meta.laterality,
        pixel_spacing_mm=None if spacing is None else (spacing, spacing),
    )
    return iter(to_dicom(path, picture, uid_salt=salt))
