# SPDX-License-Identifier: Apache-2.0
"""FHIR data types (HL7 FHIR R4B 4.3.0, "Data Types") from our values, as plain JSON."""

import re
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID, uuid5

from healthvision.clinical.result import Code, Interval, Text

Json: TypeAlias = dict[str, "Json | list[Json] | str | int | float | bool"]

SYSTEMS: dict[str, str] = {
    "SCT": "http://snomed.info/sct",
    "RADLEX": "http://radlex.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    "99HV": "urn:healthvision:codes",
}
UCUM = SYSTEMS["UCUM"]

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_SPACE = UUID("6c8f2b1e-5a0d-5e8e-9a61-0d3c1f6e7b42")  # namespace of all ids made here


class FhirInputError(ValueError):
    """A bundle cannot be made of what was given, e.g. the base URL is no http(s) URL."""


def resource_id(kind: str, *names: str | None) -> str:
    """Return the id of a resource: the same names give the same UUID (version 5)."""
    return str(uuid5(_SPACE, "\x1f".join((kind, *(name or "" for name in names)))))


def clean(text: str) -> str:
    """Return a FHIR string: control characters become blanks, an empty text becomes '-'."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return kept.strip() or "-"


def both(text: Text) -> str:
    """Return both languages in one string."""
    return clean(text.zh if text.zh == text.en else f"{text.zh} / {text.en}")


def coding(code: Code) -> Json:
    """Return a Coding; blanks in the code are closed up as FHIR asks."""
    return {
        "system": SYSTEMS[code.scheme],
        "code": " ".join(clean(code.value).split()),
        "display": clean(code.meaning),
    }


def concept(code: Code, text: Text | None = None) -> Json:
    """Return a CodeableConcept with words in both languages when given."""
    return {"coding": [coding(code)], "text": clean(code.meaning) if text is None else both(text)}


def spoken(text: str) -> Json:
    """Return a CodeableConcept that has words only."""
    return {"text": clean(text)}


def quantity(value: float, unit: str) -> Json:
    """Return a Quantity in UCUM, rounded to six decimals."""
    return {"value": round(value, 6), "unit": unit, "system": UCUM, "code": unit}


def value_range(interval: Interval, unit: str) -> Json:
    """Return a Range in UCUM."""
    return {"low": quantity(interval.low, unit), "high": quantity(interval.high, unit)}


def instant(moment: datetime) -> str:
    """Return a FHIR instant in UTC; ``FhirInputError`` for a time without zone."""
    if moment.tzinfo is None:
        raise FhirInputError("timings: a time without zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def date_of(dicom_date: str | None) -> str | None:
    """Return YYYY-MM-DD of a DICOM date (YYYYMMDD), None when it is no real date."""
    try:
        return datetime.strptime(dicom_date or "", "%Y%m%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        return None


def is_uid(value: str) -> bool:
    """Say whether the value is a DICOM UID (PS3.5 9.1: digits and dots, at most 64)."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def uid_identifier(value: str) -> Json:
    """Return an Identifier of a DICOM UID as FHIR writes it."""
    system = "urn:dicom:uid" if is_uid(value) else "urn:healthvision:uid"
    return {"system": system, "value": f"urn:oid:{value}" if is_uid(value) else clean(value)}
