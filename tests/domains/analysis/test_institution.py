# SPDX-License-Identifier: Apache-2.0
"""Whose name heads a report: the institution of the series analysed."""

import hashlib
import io
from types import SimpleNamespace
from typing import cast

import pydicom

from healthvision.domains.analysis.inputs import SourceObject
from healthvision.domains.analysis.runner import RunOutcome, _institution
from healthvision.formats.dicom.header import read_header
from tests.support.small_ct import small_ct


def _object(data: bytes, institution: str) -> SourceObject:
    ds = pydicom.dcmread(io.BytesIO(data))
    ds.InstitutionName = institution
    out = io.BytesIO()
    ds.save_as(out)
    named = out.getvalue()
    return SourceObject(read_header(named), hashlib.sha256(named).hexdigest(), lambda: named)


class TestInstitution:
    def test_is_what_an_image_of_the_series_states_else_empty(self) -> None:
        first, second = small_ct()[:2]
        objects = (_object(first, ""), _object(second, "City Hospital"))
        outcome = cast(RunOutcome, SimpleNamespace(objects=objects))
        uid = objects[0].header.series_uid
        assert _institution(outcome, uid) == "City Hospital"
        assert _institution(outcome, "1.2.3") == ""
