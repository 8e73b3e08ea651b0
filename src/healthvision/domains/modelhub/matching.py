# SPDX-License-Identifier: Apache-2.0
"""Which series an application accepts: its CEL condition over flat series attributes."""

from collections.abc import Mapping, Sequence

from healthvision.clinical.study import SeriesHeader
from healthvision.domains.modelhub.ports import Manifest
from healthvision.kernel.rules import Attribute, compile_rule

_FROM_EXTRA: Mapping[str, type] = {
    "StudyDescription": str,
    "ProtocolName": str,
    "Manufacturer": str,
    "ManufacturerModelName": str,
    "ViewPosition": str,
    "PatientPosition": str,
    "PatientOrientation": str,
    "PhotometricInterpretation": str,
    "BurnedInAnnotation": str,
    "Laterality": str,
    "SequenceName": str,
    "ScanningSequence": str,
    "MagneticFieldStrength": float,
    "EchoTime": float,
    "RepetitionTime": float,
    "Rows": int,
    "Columns": int,
    "NumberOfFrames": int,
    "SeriesNumber": int,
}

SERIES_ATTRIBUTES: Mapping[str, type] = {
    "Modality": str,
    "SOPClassUID": str,
    "SeriesDescription": str,
    "BodyPartExamined": str,
    "PatientSex": str,
    "PatientAgeYears": int,
    "StudyDate": str,
    "SliceThickness": float,
    "ConvolutionKernel": str,
    "KVP": float,
    "ContrastBolusAgent": str,
    "ImageType": str,
    "RequestedProcedurePriority": str,
    "instance_count": int,
    **_FROM_EXTRA,
}
"""Attribute -> type. ``ImageType`` is joined by backslashes; lengths in mm; age in years."""


def attributes_of(header: SeriesHeader) -> dict[str, Attribute | None]:
    """Return the flat attributes of a series that rules and manifests may use."""
    values: dict[str, Attribute | None] = {
        "Modality": header.modality or None,
        "SOPClassUID": header.sop_class_uid or None,
        "SeriesDescription": header.description or None,
        "BodyPartExamined": header.body_part or None,
        "PatientSex": header.patient_sex,
        "PatientAgeYears": header.patient_age_years,
        "StudyDate": header.study_date,
        "SliceThickness": header.slice_thickness_mm,
        "ConvolutionKernel": header.convolution_kernel,
        "KVP": header.kvp,
        "ContrastBolusAgent": header.contrast_agent,
        "ImageType": "\\".join(header.image_type) or None,
        "RequestedProcedurePriority": header.priority,
        "instance_count": header.instance_count,
    }
    for name, kind in _FROM_EXTRA.items():
        values[name] = _as(header.extra.get(name), kind)
    return values


def _as(value: str | int | float | None, kind: type) -> Attribute | None:
    """Return the value as the declared type, or None when it is none."""
    if value is None or isinstance(value, bool):
        return None
    if kind is str:
        return str(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if kind is int else number


def accepted(manifest: Manifest, series: Sequence[SeriesHeader]) -> list[SeriesHeader]:
    """Return the series that the application's manifest accepts, in the given order."""
    rule = compile_rule(manifest.accepts, SERIES_ATTRIBUTES)
    return [header for header in series if rule.matches(attributes_of(header))]
