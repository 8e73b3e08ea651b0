# SPDX-License-Identifier: Apache-2.0
"""The data set behind a command, read within a bound."""

from healthvision.domains.archive.schemas import Json
from healthvision.formats.dicom.association import Association, Context
from healthvision.formats.dicom.body import Body
from healthvision.formats.dicom.dimse import Command
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.identifiers import read_data_set

MOST_BYTES = 32 << 20


def read_bytes(
    association: Association, context: Context, command: Command, most: int, what: str
) -> bytes:
    """Read the data set behind a command, at most ``most`` bytes; raises DicomRefused(what)."""
    body = Body(most, most)
    body.begin()
    if command.has_dataset:
        association.read_body(context, body)
    whole = body.whole()
    if body.too_large or not isinstance(whole, bytes):
        raise DicomRefused(what, f"The {what.replace('-', ' ')} is too long.")
    return whole


def read_attributes(association: Association, context: Context, command: Command) -> Json:
    """Read the data set of a request as DICOM JSON; raises DicomRefused."""
    return read_data_set(
        read_bytes(association, context, command, MOST_BYTES, "data-set"), context.syntax
    )
