# SPDX-License-Identifier: Apache-2.0
"""A study of the archive as applications and rules see it, from rows alone (no bytes read)."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from healthvision.clinical.study import SeriesHeader
from healthvision.domains.analysis.inputs import NOT_IMAGES, is_own, key_of
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.schemas import InstanceRef, StudyDetail
from healthvision.domains.modelhub.service import Installed, accepted
from healthvision.formats.dicom.header import age_years
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor

_TAGS = {
    "ViewPosition": "00185101",
    "PatientPosition": "00185100",
    "PatientOrientation": "00200020",
    "Manufacturer": "00080070",
    "ManufacturerModelName": "00081090",
    "StudyDescription": "00081030",
    "ProtocolName": "00181030",
    "PhotometricInterpretation": "00280004",
    "MagneticFieldStrength": "00180087",
    "EchoTime": "00180081",
    "RepetitionTime": "00180080",
    "SequenceName": "00180024",
    "ScanningSequence": "00180020",
    "Rows": "00280010",
    "Columns": "00280011",
    "NumberOfFrames": "00280008",
    "BurnedInAnnotation": "00280301",
    "Laterality": "00200060",
    "SeriesNumber": "00200011",
}
Json = dict[str, object]


@dataclass(frozen=True, eq=False, slots=True)
class StudyPlan:
    """The image series of a study: headers, and the instances of each series by its UID."""

    study: StudyDetail
    series: tuple[SeriesHeader, ...]
    instances: dict[str, tuple[InstanceRef, ...]]

    def inputs_of(self, application: Installed) -> tuple[InstanceRef, ...]:
        """Return the instances the application gets (see ``StudySource.inputs_of``)."""
        series = accepted(application.manifest, self.series) or self.series
        return tuple(ref for header in series for ref in self.instances[header.series_uid])

    def key(self, application: Installed, parameters: Mapping[str, object], seed: int) -> str:
        """Return the task key: application, version, weights, options and image digests."""
        manifest = application.manifest
        head = [manifest.id, manifest.version, application.weights_sha256 or ""]
        if parameters or seed:
            head.append(f"{seed}:{sorted(parameters.items())}")
        return key_of(head, [ref.location.sha256 for ref in self.inputs_of(application)])


async def plan_study(session: Session, actor: Actor, study_id: UUID) -> StudyPlan:
    """Return the image series of a study; raises StudyNotFound. There may be none."""
    study = await archive.get_study(session, actor, study_id)
    groups: dict[str, list[InstanceRef]] = {}
    for ref in await archive.study_instances(session, actor, study_id):
        if _may_be_input(ref):
            groups.setdefault(ref.series_uid, []).append(ref)
    series: list[SeriesHeader] = []
    instances: dict[str, tuple[InstanceRef, ...]] = {}
    for uid, refs in sorted(groups.items()):
        json = await archive.get_instance_json(session, actor, refs[0].id)
        if is_own(json):
            continue
        series.append(_header(study, refs, json))
        instances[uid] = tuple(refs)
    return StudyPlan(study, tuple(series), instances)


def _may_be_input(ref: InstanceRef) -> bool:
    return (
        ref.origin != "healthvision"
        and ref.modality not in NOT_IMAGES
        and ref.pixel_offset is not None
    )


def _header(study: StudyDetail, refs: list[InstanceRef], json: Json) -> SeriesHeader:
    first = refs[0]
    return SeriesHeader(
        study_uid=study.study_uid,
        series_uid=first.series_uid,
        modality=first.modality,
        sop_class_uid=first.sop_class_uid,
        frame_of_reference_uid=_text(json, "00200052") or None,
        description=_text(json, "0008103E"),
        body_part=_text(json, "00180015"),
        patient_id=study.patient_id or None,
        issuer=study.issuer_of_patient_id or None,
        patient_sex=study.patient_sex or None,
        patient_age_years=age_years(
            _text(json, "00101010"), study.patient_birth_date, study.study_date
        ),
        study_date=study.study_date or None,
        accession_number=study.accession_number or None,
        slice_thickness_mm=_number(_text(json, "00180050")),
        convolution_kernel=_text(json, "00181210") or None,
        kvp=_number(_text(json, "00180060")),
        contrast_agent=_text(json, "00180010") or None,
        image_type=tuple(str(v) for v in _values(json, "00080008")),
        instance_count=len(refs),
        priority=study.priority or None,
        extra=_extra(json),
    )


def _extra(json: Json) -> dict[str, str | int | float]:
    out: dict[str, str | int | float] = {}
    for keyword, tag in _TAGS.items():
        values = [v for v in _values(json, tag) if isinstance(v, str | int | float)]
        if values:
            out[keyword] = values[0] if len(values) == 1 else "\\".join(map(str, values))
    return out


def _values(json: Json, tag: str) -> list[object]:
    entry = json.get(tag)
    values = entry.get("Value") if isinstance(entry, dict) else None
    return values if isinstance(values, list) else []


def _text(json: Json, tag: str) -> str:
    """Return the first value, also from the shared functional groups of enhanced objects."""
    values = _values(json, tag)
    if not values:
        for group in _values(json, "52009229")[:1]:
            values = _in_groups(group, tag)
    return str(values[0]) if values and isinstance(values[0], str | int | float) else ""


def _in_groups(groups: object, tag: str) -> list[object]:
    if isinstance(groups, dict):
        for name in groups:
            inner = _values(groups, name)
            if inner and isinstance(inner[0], dict) and tag in inner[0]:
                return _values(inner[0], tag)
    return []


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
